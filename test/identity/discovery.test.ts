import { createHmac } from 'node:crypto'
import { exportSPKI, importJWK, type CryptoKey } from 'jose'
import t, { type Test } from 'tap'
import type { JwtRules } from '../../src/identity/contract.js'
import { startBackend, until } from '../helpers/backends.js'
import { asJson, hmacRules, inAnHour, setUp, sign, source, START, withBearer } from './helpers.js'
import { json, startIssuer, type Issuer } from './issuer.js'

const CLIENT = 'hanzo-chat'
const MINUTE = 60_000

/** As the hanzo-chat preset has it: any of its client's audiences, the id with its issuer. */
function follow ({ url }: Pick<Issuer, 'url'>, part: Partial<JwtRules> = {}) {
  const jwt = hmacRules({
    algorithms: ['RS256'], secret: undefined, discovery: url, issuer: url, audience: [CLIENT, `${CLIENT}-org-*`], claim: 'sub', qualified: true, ...part,
  })
  const room = setUp([source({ jwt })])
  const named = async (token: string) => (await room.identify(withBearer(token))).user?.id
  return { ...room, named }
}

const begin = async (t: Test) => {
  const issuer = await startIssuer(t, { now: START })
  return { ...follow(issuer), issuer, state: issuer.state, sign: (claims: object = {}, header?: object) => issuer.sign({ aud: CLIENT, sub: '42', ...claims }, header) }
}

t.test('an issuer is asked for its keys when its first token comes, once for all that wait, and again after ten minutes', async (t) => {
  const { named, sign, issuer, state, time } = await begin(t)
  t.strictSame([state.discoveries, state.keySets], [0, 0], 'not before')
  const tokens = await Promise.all(['1', '2', '3'].map((sub) => sign({ sub })))
  t.strictSame(await Promise.all(tokens.map(named)), ['1', '2', '3'].map((sub) => `${issuer.url}|${sub}`))
  t.strictSame([state.discoveries, state.keySets], [1, 1])
  time.now += 9 * MINUTE
  await named(await sign({ sub: '4' }))
  t.equal(state.discoveries, 1)
  time.now += 2 * MINUTE
  t.equal(await named(await sign({ sub: '5' })), `${issuer.url}|5`, 'known keys answer meanwhile')
  t.equal(await until(() => state.keySets === 2), true)
})

t.test('37: a token of another client or issuer is nobody; one of an organisation of ours is somebody', async (t) => {
  const { named, sign, issuer } = await begin(t)
  const id = `${issuer.url}|42`
  for (const aud of [CLIENT, [CLIENT], ['other', CLIENT], `${CLIENT}-org-acme`, [`${CLIENT}-org-a-b`], `${CLIENT}-org-*`]) {
    t.equal(await named(await sign({ aud })), id, JSON.stringify(aud))
  }
  for (const aud of [undefined, 'other', [], `${CLIENT}-org-`, `${CLIENT}-org`, `${CLIENT}-`, `x${CLIENT}`, `x-${CLIENT}-org-acme`, `${CLIENT}2`, 'other-org-acme',
    CLIENT.toUpperCase(), [[CLIENT]], { 0: CLIENT }, 7, `${CLIENT} other`, '*']) {
    t.equal(await named(await sign({ aud })), undefined, JSON.stringify(aud))
  }
  t.equal(await named(await sign({ iss: issuer.url + '/' })), id, 'a trailing slash is as good as none, and the same person')
  for (const iss of [undefined, '', 'https://hanzo.id', issuer.url + '//', issuer.url + '/x', [issuer.url], issuer.url.toUpperCase()]) {
    t.equal(await named(await sign({ iss })), undefined, String(iss))
  }
})

t.test('a policy may name the issuer with a slash, or by the address of its document', async (t) => {
  const issuer = await startIssuer(t, { now: START, path: '/realms/chat' })
  const token = await issuer.sign({ aud: CLIENT, sub: '42' })
  for (const url of [issuer.url + '/', issuer.url + '/.well-known/openid-configuration']) {
    t.equal(await follow({ url }, { issuer: issuer.url + '/' }).named(token), `${issuer.url}|42`, url)
  }
  issuer.state.document = { issuer: issuer.url + '/' }
  t.equal(await follow(issuer).named(token), `${issuer.url}|42`, 'and so may the issuer')
})

t.test('35: alg none, the wrong family, expired, without id, or signed with what everybody knows: nobody', async (t) => {
  const { named, sign: signed, issuer } = await begin(t)
  const claims = { iss: issuer.url, aud: CLIENT, sub: '42', exp: inAnHour }
  t.ok(await named(await signed()))
  const pem = await exportSPKI(await importJWK({ ...issuer.jwk, ext: true }, 'RS256') as CryptoKey)
  for (const secret of [pem, JSON.stringify(issuer.jwk), String(issuer.jwk.n), 'the secret']) {
    t.equal(await named(sign(claims, { secret, header: { kid: 'one' } })), undefined)
    const head = `${asJson({ alg: 'RS256', kid: 'one' })}.${asJson(claims)}`
    t.equal(await named(`${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`), undefined, 'RS256 signed with a secret')
  }
  for (const alg of ['none', 'None', 'NONE', '', 'PS256', 'ES256', 'RS512']) {
    const [, payload, signature] = (await signed()).split('.') as [string, string, string]
    t.equal(await named(`${asJson({ alg, kid: 'one' })}.${payload}.${signature}`), undefined, alg)
    t.equal(await named(`${asJson({ alg })}.${payload}.`), undefined, alg)
  }
  for (const wrong of [{ exp: START / 1000 }, { exp: undefined }, { sub: undefined }, { sub: '' }, { sub: null }, { sub: ['42'] }, { nbf: inAnHour }]) {
    t.equal(await named(await signed(wrong)), undefined, JSON.stringify(wrong))
  }
  const stranger = await startIssuer(t, { now: START })
  t.equal(await named(await stranger.sign(claims)), undefined, 'another key of the same name')
  t.equal(await named(await signed({}, { jwk: stranger.jwk, jku: stranger.jwksUri, x5u: stranger.jwksUri })), `${issuer.url}|42`)
  t.equal(await named(await stranger.sign(claims, { jwk: stranger.jwk, jku: stranger.jwksUri })), undefined, 'a token does not bring its own key')
  t.equal(stranger.state.keySets, 0)
})

t.test('an issuer that lies, or sends us elsewhere, names nobody', async (t) => {
  const evil = await startIssuer(t, { now: START })
  const lies: Record<string, unknown>[] = [
    { issuer: 'https://hanzo.id' }, { issuer: undefined }, { issuer: null }, { issuer: ['x'] }, { issuer: evil.url },
    { jwks_uri: evil.jwksUri }, { jwks_uri: undefined }, { jwks_uri: '' }, { jwks_uri: '/jwks' }, { jwks_uri: 'file:///etc/passwd' },
    { jwks_uri: 'data:application/json,{"keys":[]}' }, { jwks_uri: 7 }, { jwks_uri: evil.jwksUri.replace('http:', 'ftp:') },
    { jwks_uri: 'http://127.0.0.1@' + new URL(evil.jwksUri).host + '/jwks' }, { jwks_uri: evil.jwksUri.replace('//', '//user:pass@') },
  ]
  for (const document of lies) {
    const { named, sign, state, log, issuer } = await begin(t)
    state.document = document
    t.equal(await named(await sign()), undefined, JSON.stringify(document))
    t.equal(await named(await evil.sign({ iss: issuer.url, aud: CLIENT, sub: '1' })), undefined)
    t.strictSame([log.lines.length, state.keySets], [1, 0])
    t.match(log.lines[0], { level: 'warn', text: /cannot be fetched/ })
  }
  t.equal(evil.state.keySets, 0, 'nobody else was ever asked')
})

t.test('keys may live elsewhere, but only by https', async (t) => {
  const issuer = await startIssuer(t, { now: START })
  issuer.state.document = { jwks_uri: 'https://keys.example/v3/certs' }
  const asked: string[] = []
  const jwt = hmacRules({ algorithms: ['RS256'], secret: undefined, discovery: issuer.url, issuer: issuer.url, audience: [CLIENT], claim: 'sub' })
  const { identify } = setUp([source({ jwt })], {
    fetch: async (url, options) => {
      asked.push(url)
      return url.startsWith('https:') ? Response.json({ keys: [issuer.jwk] }) : fetch(url, options)
    },
  })
  t.equal((await identify(withBearer(await issuer.sign({ aud: CLIENT, sub: '42' })))).user?.id, '42', 'unqualified: the claim alone')
  t.strictSame(asked, [`${issuer.url}/.well-known/openid-configuration`, 'https://keys.example/v3/certs'])
})

t.test('garbage, redirects, errors and megabytes name nobody, and are said in the log once', async (t) => {
  const elsewhere = await startIssuer(t, { now: START })
  const answers: ((issuer: Issuer) => Issuer['state']['answer'])[] = [
    () => (response) => { response.end('<html>') },
    () => (response) => { response.end() },
    () => (response) => { response.end('[]') },
    () => (response) => { response.end('null') },
    () => (response) => { response.end('"text"') },
    () => (response) => { response.end('['.repeat(400_000)) },
    () => (response) => { response.writeHead(500).end('{}') },
    () => (response) => { response.writeHead(204).end() },
    () => (response) => { response.writeHead(302, { location: elsewhere.url + '/.well-known/openid-configuration' }).end() },
    () => (response) => { response.destroy() },
    () => (response) => { response.writeHead(200, { 'content-length': '100' }).write('{'); response.destroy() },
    () => (response) => { response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip') },
    ({ url }) => (response) => { json(response, { issuer: url, jwks_uri: `${url}/jwks`, filler: 'x'.repeat(5_000_000) }) },
    ({ url }) => (response) => { json(response, { issuer: url, jwks_uri: `${url}/jwks`, keys: 'none' }) },
    ({ url }) => (response, request) => { json(response, request.url === '/jwks' ? { keys: [null, 1, {}] } : { issuer: url, jwks_uri: `${url}/jwks` }) },
  ]
  for (const [index, answer] of answers.entries()) {
    const { named, sign, state, log, issuer, time } = await begin(t)
    state.answer = answer(issuer)
    const token = await sign()
    for (let asked = 0; asked < 3; asked += 1) t.equal(await named(token), undefined, `answer ${index}`)
    t.equal(state.discoveries, 1, 'it is left alone for a while')
    state.answer = undefined
    time.now += 11_000
    t.equal(await named(token), `${issuer.url}|42`, 'and found again')
    t.strictSame(log.lines.map(({ level }) => level), ['warn', 'info'])
    t.notMatch(JSON.stringify(log.lines), token)
  }
  t.equal(elsewhere.state.discoveries, 0)
})

t.test('an endless document is cut off: no more of it is taken than its bound', async (t) => {
  const { named, sign, state } = await begin(t)
  let written = 0
  state.answer = (response) => {
    const more = () => {
      written += 65_536
      if (!response.destroyed) response.write(Buffer.alloc(65_536, 0x20), more)
    }
    more()
  }
  t.equal(await named(await sign()), undefined)
  t.ok(written < 32 * 1024 * 1024, `${written} bytes`)
})

t.test('a slow issuer holds a request for three seconds altogether, and the next one not at all', async (t) => {
  const { named, sign, state, issuer } = await begin(t)
  state.answer = (response, request) => {
    // Either answer alone would be in time.
    if (request.url !== '/jwks') setTimeout(() => json(response, { issuer: issuer.url, jwks_uri: issuer.jwksUri }), 2_000)
  }
  const began = performance.now()
  t.equal(await named(await sign()), undefined)
  t.ok(performance.now() - began < 4_000, `${performance.now() - began} ms`)
  const again = performance.now()
  t.equal(await named(await sign({ sub: '1' })), undefined)
  t.ok(performance.now() - again < 500)
})

t.test('an issuer may move its keys; while it is away the known ones hold', async (t) => {
  const { named, sign, state, issuer, time } = await begin(t)
  t.ok(await named(await sign()))
  state.answer = (response) => { response.writeHead(503).end() }
  time.now += 20 * MINUTE
  t.equal(await named(await sign({ sub: '7' })), `${issuer.url}|7`)
  const next = await startIssuer(t, { now: START, kid: 'two' })
  const [at, keys] = ['/new/jwks', { keys: [next.jwk] }]
  const document = { issuer: issuer.url, jwks_uri: issuer.url + at }
  state.answer = (response, request) => { json(response, request.url === at ? keys : document) }
  time.now += MINUTE
  t.equal(await named(await next.sign({ iss: issuer.url, aud: CLIENT, sub: '8' })), `${issuer.url}|8`)
  t.equal(await named(await sign({ sub: '9' })), undefined, 'what it withdrew is gone')
})

t.test('nobody listens there: nobody is named, and nothing breaks', async (t) => {
  const gone = await startBackend({ teardown: () => {} }, () => {})
  gone.server.close()
  const { named, issuer } = await begin(t)
  const { named: asked, log } = follow({ url: gone.url })
  t.equal(await asked(await issuer.sign({ iss: gone.url, aud: CLIENT, sub: '1' })), undefined)
  t.match(log.lines[0]?.text, /ECONNREFUSED/)
  t.equal(await named('x'), undefined)
})
