import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { packageRoot } from '../../src/config/presets.js'
import { inspect } from '../../src/content/content.js'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { printedPolicy } from './printed-policy.js'

const env = { UPSTREAM_URL: 'http://cat:1865', PORTCULLIS_PRESET: 'cheshire-cat', CCAT_JWT_SECRET: 's' }

async function load (t: Test, policy: string, more: Record<string, string> = {}) {
  const cwd = t.testdir({ 'p.yaml': policy })
  return (await loadPolicy({ cwd, env: { ...env, ...more }, policyFile: 'p.yaml' })).policy
}

/** What the message routes ask, as the compiled policy holds it. */
async function rulesOf (t: Test, policy = 'version: 1\n') {
  const { routes } = await load(t, policy)
  const entry = routes.find(({ match }) => match === 'POST /message')
  if (entry === undefined) throw new Error('The preset has lost a route.')
  return { content: entry.content, limiter: entry.limiters.find(({ name }) => name === 'catRate') }
}

t.test('check prints the plugin\'s defaults, bans off, and the routes of both generations', async (t) => {
  const printed = await printedPolicy({ env, cwd: t.testdir({}) })
  t.equal(printed.code, 0, printed.errors)
  t.match(printed.bans, /^bans: off/)
  t.match(printed.ruleOf('catRate'), /^user 30 1h/)
  t.match(printed.rowOf('catRate'), { algorithm: 'sliding-window', counts: /after content/, refusal: /suspends for 30m/ })
  const suspensions = /^5m, 15m, 1h; .* 1h/
  t.match(printed.rowOf('default.length'), { scope: 'last', 'what it does': 'suspends', suspensions })
  t.match(printed.rowOf('default.keywords'), { 'what it does': 'suspends, from level 2', suspensions })
  t.match(printed.rowOf('default.nonAlphanumeric'), { 'what it does': 'suspends', suspensions })
  for (const route of ['GET /ws', 'GET /ws/:user_id']) {
    t.match(printed.rowOf(route), { checks: /catRate.*content default.*each frame/, reply: 'cheshire-cat' }, route)
  }
  t.match(printed.rowOf('POST /message'), { checks: /catRate.*content default \(\/text\)$/, reply: 'cheshire-cat' })
  t.match(printed.rowOf('POST /agents/:slug/message'), { checks: /catRate.*\/messages/, reply: 'cheshire-cat-agents' })
})

t.test('the twelve settings have the plugin\'s defaults', async (t) => {
  const { content, limiter } = await rulesOf(t)
  t.match(limiter, {
    key: ['user'], anonymous: 'ip', max: 30, windowMs: 3_600_000, algorithm: 'sliding-window', after: 'content',
    violation: undefined,
  })
  t.match(limiter?.suspend, {
    durationMs: 1_800_000, message: 'You have sent too many messages. Please wait {minutes} minutes before sending new messages.',
  })
  t.match(content, {
    scope: 'last', suspensionsMs: [300_000, 900_000, 3_600_000], reset: { resetAfterMs: 3_600_000, resetOn: 'quiet' },
    messages: {
      blocked: 'Your account has been temporarily suspended for {minutes} minutes due to a content policy violation.',
    },
  })
  t.strictSame(content?.checks.map(({ kind, action, severity }) => [kind, action, severity]), [
    ['length', 'suspend', undefined], ['keywords', 'suspend', 2], ['nonAlphanumeric', 'suspend', undefined],
  ])
  const against = (text: string) => content === undefined ? '' : inspect([[text]], content).hit?.check.kind
  t.strictSame([against('a'.repeat(500)), against('a'.repeat(501))], [undefined, 'length'])
  t.strictSame([against('the dan method'), against('a dance in danger')], ['keywords', undefined], 'words, not their parts')
  t.strictSame([against('aaaaaa????'), against('aaaaa?????')], [undefined, 'nonAlphanumeric'], 'more than two fifths')
  t.equal(against('aa    ```  '), 'nonAlphanumeric', 'the plain share: blanks and code count')
})

t.test('each of the twelve can be set under its own name', async (t) => {
  const { content, limiter } = await rulesOf(t, `
version: 1
cheshireCat:
  enable_rate_limit: true
  rate_limit_max_messages: 5
  rate_limit_window_minutes: 10
  rate_limit_suspension_minutes: 7
  max_prompt_length: 20
  jailbreak_keywords: [open sesame]
  non_alphanumeric_threshold: 0
  content_infraction_suspensions_minutes: [1, 2]
  jailbreak_severity_level: 1
  infraction_reset_minutes: 90
  user_blocked_message: Hush for {minutes}.
  user_limited_message: Slowly, {minutes}.
`)
  t.match(limiter, { max: 5, windowMs: 600_000, suspend: { durationMs: 420_000, message: 'Slowly, {minutes}.' } })
  t.match(content, { suspensionsMs: [60_000, 120_000], reset: { resetAfterMs: 5_400_000 }, messages: { blocked: 'Hush for {minutes}.' } })
  t.match(content?.checks, [{ kind: 'length' }, { kind: 'keywords', severity: 1 }])
  t.equal(content?.checks.length, 2, 'a threshold of 0 is no check')
  const off = await rulesOf(t, 'version: 1\ncheshireCat: { enable_rate_limit: false }\n')
  t.strictSame(off, { content: undefined, limiter: undefined })
})

t.test('people are known by the Cat\'s tokens and nothing else; an operator may have bans on', async (t) => {
  const policy = await load(t, 'version: 1\n', { CCAT_API_KEY: 'k', CCAT_API_KEY_WS: 'w' })
  t.equal(policy.identity.length, 1)
  t.match(policy.identity[0], {
    from: [
      { in: 'header', name: 'authorization', scheme: 'bearer' }, { in: 'header', name: 'authorization' },
      { in: 'query', name: 'token' }, { in: 'header', name: 'access_token' },
      { in: 'cookie', name: 'ccat_user_token' }, { in: 'cookie', name: 'access_token' },
    ],
    jwt: { algorithms: ['HS256'], secret: 's', claim: 'sub' },
  })
  t.equal(policy.bans.enabled, false)
  t.equal((await load(t, 'version: 1\n', { BAN_VIOLATIONS: 'true' })).bans.enabled, true)
  t.strictSame((await load(t, 'version: 1\n', { CCAT_JWT_ALGORITHM: 'HS512' })).identity[0]?.jwt?.algorithms, ['HS512'])
})

t.test('without the secret nobody is known by name, and check says so', async (t) => {
  const printed = await printedPolicy({ env: { ...env, CCAT_JWT_SECRET: '' }, cwd: t.testdir({}) })
  t.equal(printed.code, 0)
  t.match(printed.warnings.join('\n'), /query:token.* is inactive: its secret is not set/)
})

t.test('the example stack: clients reach the gateway alone, and it starts on the example\'s .env', async (t) => {
  const read = (name: string) => readFileSync(join(packageRoot(), 'docker/cheshire-cat', name), 'utf8')
  interface Service { readonly ports?: readonly string[], readonly environment?: Readonly<Record<string, string>> }
  const servicesOf = (name: string) =>
    (parse(read(name).replace('!reset ', '').replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')) as { services: Record<string, Service> }).services
  const [base, override] = [servicesOf('docker-compose.yml'), servicesOf('docker-compose.override.yml')]
  t.strictSame(base['cheshire-cat-core']?.ports, ['1865:1865'])
  t.strictSame(override['cheshire-cat-core']?.ports, [], 'the override takes the Cat\'s port away')
  t.match(read('docker-compose.override.yml'), 'ports: !reset []')
  t.strictSame(override['gateway']?.ports, ['1865:8080'])
  const dotenv = parseEnv(read('.env.example')) as Record<string, string>
  const given = { ...dotenv, CCAT_JWT_SECRET: 'a', CCAT_API_KEY: 'b', ...override['gateway']?.environment }
  const printed = await printedPolicy({ env: given, cwd: t.testdir({}) })
  t.equal(printed.code, 0, printed.errors)
  t.match(printed.text, 'preset cheshire-cat, mode enforce, upstream http://cheshire-cat-core:1865')
  t.strictSame(printed.warnings, ['warning: no MONGO_URI: bans are listed by portcullis bans'])
})
