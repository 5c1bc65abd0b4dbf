import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConfigErrors } from '../../src/config/mistake.js'
import { loadPolicy } from '../../src/policy/load-policy.js'

const ENV = { UPSTREAM_URL: 'http://127.0.0.1:9', JWT_SECRET: 'access-secret' }

async function load (t: Test, identity: string, env: Record<string, string> = {}) {
  const cwd = await mkdtemp(join(tmpdir(), 'identity-'))
  t.teardown(() => rm(cwd, { recursive: true, force: true }))
  const policyFile = join(cwd, 'policy.yaml')
  await writeFile(policyFile, `preset: generic\n${identity}\n`)
  const { policy, warnings } = await loadPolicy({ env: { ...ENV, ...env }, cwd, policyFile })
  return { sources: policy.identity, routes: policy.routes, warnings }
}

/** The mistakes of a policy that must not be taken. */
async function mistakes (t: Test, identity: string): Promise<string> {
  try {
    await load(t, identity)
    return 'none'
  } catch (error) {
    if (error instanceof ConfigErrors) return error.message
    throw error
  }
}

const REUSE = `identity:
  - from: "header:authorization:bearer"
    enabled: "\${OPENID_REUSE_TOKENS:-false}"
    jwt: { discovery: "\${OPENID_ISSUER}", audience: ["\${OPENID_CLIENT_ID}", "\${OPENID_CLIENT_ID}-org-*"], qualified: true }`

t.test('a source that is switched off stays out without a word', async (t) => {
  const { sources, warnings } = await load(t, REUSE)
  t.strictSame(sources, [])
  t.notMatch(warnings.join(), /inactive/)
  for (const value of ['false', 'FALSE', 'false   # as documented']) {
    t.strictSame((await load(t, REUSE, { OPENID_REUSE_TOKENS: value, OPENID_ISSUER: 'https://id.example' })).sources, [])
  }
})

t.test('discovery says the issuer, RS256 and a claim of its own; the audience is taken as written', async (t) => {
  const env = { OPENID_REUSE_TOKENS: 'true', OPENID_ISSUER: 'https://id.example/realms/x/', OPENID_CLIENT_ID: 'chat' }
  const { sources, warnings } = await load(t, REUSE, env)
  t.match(sources[0]?.jwt, {
    algorithms: ['RS256'],
    discovery: 'https://id.example/realms/x/',
    issuer: 'https://id.example/realms/x',
    audience: ['chat', 'chat-org-*'],
    claim: 'sub',
    qualified: true,
    secret: undefined,
    jwks: undefined,
  })
  t.notMatch(warnings.join(), /inactive/)
})

t.test('without its issuer or its client id it is inactive and says so: never open to all clients of an issuer', async (t) => {
  const on = { OPENID_REUSE_TOKENS: 'true' }
  const noIssuer = await load(t, REUSE, { ...on, OPENID_CLIENT_ID: 'chat' })
  t.strictSame(noIssuer.sources, [])
  t.match(noIssuer.warnings.join(), /header:authorization:bearer is inactive: its issuer is not set/)
  const noClient = await load(t, REUSE, { ...on, OPENID_ISSUER: 'https://id.example' })
  t.strictSame(noClient.sources, [])
  t.match(noClient.warnings.join(), /is inactive: its audience is not set/)
  const asText = REUSE.replace(/audience: \[.*\]/, 'audience: "$' + '{OPENID_CLIENT_ID}"')
  t.strictSame((await load(t, asText, { ...on, OPENID_ISSUER: 'https://id.example' })).sources, [])
  const keySet = 'identity: [{ from: "header:authorization:bearer", jwt: { jwks: "https://id.example/jwks", audience: ["$' +
    '{NOT_SET}"] } }]'
  t.strictSame((await load(t, keySet)).sources, [], 'a key set whose audience is unset')
  const noSecret = 'identity: [{ from: "cookie:a", jwt: { secret: "$' +
    '{NOT_SET}" } }]'
  t.match((await load(t, noSecret)).warnings.join(), /cookie:a is inactive: its secret is not set/)
})

t.test('guests and the credentials of routes are compiled like any other', async (t) => {
  const guests = 'identity: [{ from: address, guest: true, enabled: "$' +
    '{ALLOW_GUEST_CHAT:-false}" }]'
  t.strictSame((await load(t, guests)).sources, [])
  t.match((await load(t, guests, { ALLOW_GUEST_CHAT: 'true' })).sources, [{ guest: true, from: [{ in: 'address' }] }])
  const routes = `routes:
  - match: POST /verify
    identity: [{ from: "body:/tempToken", jwt: { secret: "\${JWT_SECRET}", claim: userId } }, { from: "cookie:x", jwt: { secret: "\${NOT_SET}" } }]
  - match: POST /other`
  const compiled = await load(t, routes)
  t.match(compiled.routes.map(({ identity }) => identity.length), [1, 0])
  t.match(compiled.routes[0]?.identity[0], { from: [{ in: 'body', pointer: ['tempToken'] }], jwt: { claim: 'userId' } })
  t.match(compiled.warnings.join(), /cookie:x is inactive/)
})

t.test('an alias is compiled with its source; one whose secret is unset is left out, its source is not', async (t) => {
  const withAlias = `identity:
  - from: "header:authorization:bearer"
    enabled: "\${OPENID_REUSE_TOKENS:-false}"
    jwt: { secret: "\${JWT_SECRET}" }
    alias: { from: "cookie:openid_user_id, header:x-user", jwt: { secret: "\${JWT_REFRESH_SECRET}", claim: id } }`
  const env = { OPENID_REUSE_TOKENS: 'true' }
  const { sources, warnings } = await load(t, withAlias, { ...env, JWT_REFRESH_SECRET: 'r' })
  t.match(sources, [{
    alias: {
      from: [{ in: 'cookie', name: 'openid_user_id' }, { in: 'header', name: 'x-user', scheme: undefined }],
      jwt: { algorithms: ['HS256'], secret: 'r', claim: 'id' },
    },
  }])
  t.notMatch(warnings.join(), /inactive/)
  const unset = await load(t, withAlias, env)
  t.match(unset.sources, [{ jwt: { secret: 'access-secret' }, alias: undefined }])
  t.match(unset.warnings.join(), /the alias cookie:openid_user_id, header:x-user is inactive: its secret is not set/)
  t.strictSame((await load(t, withAlias)).warnings.filter((one) => one.includes('inactive')), [])
})

t.test('mistakes name their place, on routes too', async (t) => {
  const at = (source: string) => mistakes(t, `identity: [${source}]`)
  t.match(await at('{ from: address }'), /identity\.0: found .*guest: true/)
  t.match(await at('{ from: "header:x", guest: true }'), /identity\.0: found .*a guest comes from: address/)
  t.match(await at('{ from: address, guest: true, apiKey: {} }'), /a guest comes from: address/)
  t.match(await at('{ from: addres, guest: true }'), /identity\.0\.from: found "addres"/)
  t.match(await at('{ from: "cookie:a", jwt: { discovery: "id.example", audience: [x] } }'), /discovery needs the http\(s\) URL/)
  t.match(await at('{ from: "cookie:a", jwt: { discovery: "https://a.example", secret: x, audience: [x] } }'), /either a secret/)
  t.match(await at('{ from: "cookie:a", jwt: { secret: x, qualified: true } }'), /qualified needs an issuer/)
  t.match(await at('{ from: "body:/a", jwt: { discovery: "https://a.example", audience: [x] } }'), /in the body/)
  t.match(await at('{ from: "cookie:a", jwt: { secret: x, discover: "https://a.example" } }'), /unknown key "discover".*discovery/s)
  t.match(await at('{ from: "cookie:a", enabled: perhaps, jwt: { secret: x } }'), /identity\.0\.enabled/)
  const aliasOf = (alias: string) => at(`{ from: "cookie:a", jwt: { secret: x }, alias: ${alias} }`)
  t.match(await aliasOf('{ from: "cookies:b", jwt: { secret: x } }'), /identity\.0\.alias\.from: found "cookies:b"/)
  t.match(await aliasOf('{ from: "body:/b", jwt: { secret: x } }'), /identity\.0: found .*an alias stands in the head/)
  t.match(await aliasOf('{ from: "cookie:b", jwt: { algorithms: [XS1], secret: x } }'), /identity\.0\.alias\.jwt\.algorithms/)
  t.match(await aliasOf('{ from: "cookie:b", jwt: { jwks: "https://a.example" } }'), /verified by a secret/)
  t.match(await aliasOf('{ from: "cookie:b" }'), /identity\.0\.alias/)
  t.match(await aliasOf('{ from: "cookie:b", jwt: { secret: x }, name: y }'), /unknown key "name"/)
  const route = (source: string) => mistakes(t, `routes: [{ match: GET /, identity: [${source}] }]`)
  t.match(await route('{ from: "nowhere:x", jwt: { secret: x } }'), /routes\.0\.identity\.0\.from: found "nowhere:x"/)
  t.match(await route('{ from: "cookie:x" }'), /routes\.0\.identity\.0: found .*exactly one of/)
  t.match(await route('{ from: "nowhere:x", enabled: false, jwt: { secret: x } }'), /routes\.0\.identity\.0\.from/, 'told even where it is off')
})
