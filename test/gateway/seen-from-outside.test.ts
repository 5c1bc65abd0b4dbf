import t from 'tap'
import { startDemo, type DemoUser } from '../demo/demo.js'
import { startProduct, type Product, type ProductOptions } from '../helpers/product.js'
import type { Test } from 'tap'

const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'
const JSON_TYPE = { 'content-type': 'application/json' }

async function setUp (t: Test, options: Partial<ProductOptions> = {}) {
  const demo = await startDemo(t, { tokenDelayMs: 1 })
  const product = await startProduct(t, {
    upstream: demo.url, ...options, env: { GATEWAY_TRUST_PROXY: 'loopback', ...options.env },
  })
  const user = await demo.user('ann')
  const seen = demo.lines.length
  return { demo, product, user, reached: () => demo.lines.length - seen }
}

interface Send { user?: DemoUser, body?: unknown, from?: string, agent?: string, headers?: Record<string, string> }

function send (product: Product, path: string, { user, body, from = '203.0.113.1', agent = BROWSER, headers = {} }: Send = {}) {
  return fetch(product.url + path, {
    ...body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) },
    redirect: 'manual',
    headers: { ...JSON_TYPE, 'x-forwarded-for': from, 'user-agent': agent, ...user?.headers, ...headers },
  })
}

async function chat (product: Product, options: Send) {
  const answer = await send(product, '/api/agents/chat/demo', { body: { text: 'hi' }, ...options })
  const body = await answer.json() as Record<string, unknown>
  return { status: answer.status, body, headers: answer.headers }
}

/** Sends a message and reads its answer to the end, so that its slot is free again. */
async function chatToEnd (product: Product, options: Send) {
  const { status, body } = await chat(product, options)
  if (status !== 200) return { status, body }
  const stream = await send(product, `/api/agents/chat/stream/${body['streamId']}`, options)
  await stream.text()
  return { status, body }
}

t.test('7 logins pass and the 8th gets the documented 429, without reaching the backend', async (t) => {
  const { product, reached } = await setUp(t)
  const login = () => send(product, '/api/auth/login', { body: { email: 'ann@example.com', password: 'wrong' } })
  for (let i = 0; i < 7; i++) t.not((await login()).status, 429)
  const answer = await login()
  t.equal(answer.status, 429)
  t.equal(reached(), 7)
  t.match(await answer.json(), {
    message: 'Too many login attempts, please try again after 5 minutes.', type: 'logins', max: 7, limiter: 'ip',
    windowInMinutes: 5, prev_count: 0, violation_count: 1,
  })
  t.equal(answer.headers.get('retry-after'), '300')
  t.equal(answer.headers.get('x-ratelimit-remaining'), '0')
  t.match(answer.headers.get('ratelimit-policy'), /;q=7;w=300/)
  t.equal(answer.headers.get('cache-control'), 'no-store')
  product.clock.advance(5 * 60_000)
  t.not((await login()).status, 429, 'the window ends five minutes after its first hit')
})

t.test('the 41st message within a minute is refused, and an admitted one tells what is left', async (t) => {
  const { product, user, reached } = await setUp(t)
  const first = await chatToEnd(product, { user })
  t.equal(first.status, 200)
  for (let i = 1; i < 40; i++) t.equal((await chatToEnd(product, { user })).status, 200)
  const before = reached()
  const refused = await chat(product, { user })
  t.equal(refused.status, 429)
  t.match(refused.body, { type: 'message_limit', max: 40, limiter: 'ip', windowInMinutes: 1, violation_count: 1 })
  t.equal(reached(), before, 'the backend did not see it')
  product.clock.advance(60_000)
  const again = await chat(product, { user })
  t.equal(again.status, 200)
  t.equal(again.headers.get('x-ratelimit-remaining'), '39')
  t.match(again.headers.get('ratelimit'), /;r=39;t=60/)
})

t.test('the third parallel message is refused; a slot is free again when the generation has ended', async (t) => {
  const { product, user, demo } = await setUp(t)
  const slow = { user, body: { text: '[slow:1] tell me' } }
  const [one, two] = [await chat(product, slow), await chat(product, slow)]
  t.same([one.status, two.status], [200, 200])
  const before = demo.lines.filter((line) => line.method === 'POST').length
  const third = await chat(product, slow)
  t.equal(third.status, 429)
  t.match(third.body, { type: 'concurrent', limit: 2, pendingRequests: 2, violation_count: 1 })
  t.equal(demo.lines.filter((line) => line.method === 'POST').length, before)
  const stream = await send(product, `/api/agents/chat/stream/${one.body['streamId']}`, { user })
  t.match(await stream.text(), '"final":true')
  t.equal((await chat(product, slow)).status, 200)
})

t.test('a client that is no browser is refused, the next request of that user and address is banned', async (t) => {
  const { product, user, demo, reached } = await setUp(t)
  const other = await demo.user('bob')
  const seen = reached()
  const first = await chat(product, { user, agent: 'curl/8.1' })
  t.equal(first.status, 403)
  t.match(first.body, { message: 'Illegal request', type: 'non_browser', score: 20, violation_count: 20, ban: true, ban_duration: 7_200_000 })
  const next = await chat(product, { user })
  t.equal(next.status, 403)
  t.match(next.body, {
    message: 'Your account has been temporarily banned due to violations of our service.', type: 'ban', reason: 'non_browser',
    expiresAt: new Date(product.clock() + 7_200_000).toISOString(), retryAfterSeconds: 7200,
  })
  t.match(next.headers.get('set-cookie'), /^refreshToken=;/)
  t.equal((await chat(product, { user, from: '198.51.100.7' })).status, 403, 'the user on any address')
  t.equal((await chat(product, { user: other })).status, 403, 'anybody on that address')
  t.equal((await send(product, '/api/convos', { user })).status, 403, 'on every route')
  t.equal((await send(product, '/', { headers: { accept: 'text/html' } })).status, 403, 'assets and pages included')
  t.equal((await chat(product, { user: other, from: '198.51.100.7' })).status, 200, 'no contagion')
  t.equal(reached(), seen + 1, 'only what was let through reached the backend')
  product.clock.advance(7_200_001)
  t.equal((await chat(product, { user })).status, 200, 'after its time it is gone')
})

t.test('without a verified user a script is refused and nothing is scored', async (t) => {
  const { product, reached } = await setUp(t)
  for (let i = 0; i < 3; i++) {
    const { status, body } = await chat(product, { agent: 'curl/8.1' })
    t.equal(status, 403)
    t.match(body, { message: 'Illegal request', violation_count: 0 })
  }
  t.equal((await send(product, '/api/config')).status, 200, 'the address is not banned')
  t.equal(reached(), 1)
})

t.test('bans survive a restart of the gateway, and so do scores', async (t) => {
  const { product, user, demo } = await setUp(t, { env: { NON_BROWSER_VIOLATION_SCORE: '12' } })
  t.match((await chat(product, { user, agent: 'curl/8' })).body, { violation_count: 12 })
  await product.close()
  const second = await startProduct(t, {
    upstream: demo.url, dataDir: product.dataDir, clock: product.clock,
    env: { NON_BROWSER_VIOLATION_SCORE: '12', GATEWAY_TRUST_PROXY: 'loopback' },
  })
  t.match((await chat(second, { user, agent: 'curl/8' })).body, { prev_count: 12, violation_count: 24, ban: true })
  t.equal((await chat(second, { user })).status, 403)
  await second.close()
  const third = await startProduct(t, {
    upstream: demo.url, dataDir: product.dataDir, clock: product.clock, env: { GATEWAY_TRUST_PROXY: 'loopback' },
  })
  t.equal((await chat(third, { user })).status, 403)
})

t.test('the admin lifts a ban, and the very next request passes', async (t) => {
  const { product, user } = await setUp(t)
  await chat(product, { user, agent: 'curl/8' })
  t.equal((await chat(product, { user })).status, 403)
  const lift = await fetch(`${product.adminUrl}/api/v1/bans/user:${user.id}`, {
    method: 'DELETE', headers: { authorization: `Bearer ${product.adminToken}` },
  })
  t.equal(lift.status, 204)
  t.equal((await chat(product, { user })).status, 200, 'user and address, at once')
})

t.test('observe mode forwards everything, records what would have happened, and leaves nothing behind', async (t) => {
  const { product, user } = await setUp(t, { policy: 'mode: observe\n' })
  for (let i = 0; i < 3; i++) t.equal((await chatToEnd(product, { user, agent: 'curl/8' })).status, 200)
  t.ok(product.log.lines.some((line) => line.message === 'would have been refused' && line['rule'] === 'non_browser'))
  await product.reload('mode: enforce\n')
  t.equal((await chat(product, { user })).status, 200, 'nobody is banned by the rehearsal')
  t.match((await chat(product, { user, agent: 'curl/8' })).body, { prev_count: 0, violation_count: 20 })
})

t.test('BAN_VIOLATIONS=false: violations count, nobody is banned by them, manual bans hold', async (t) => {
  const { product, user } = await setUp(t, { env: { BAN_VIOLATIONS: 'false' } })
  t.match((await chat(product, { user, agent: 'curl/8' })).body, { violation_count: 20 })
  t.match((await chat(product, { user, agent: 'curl/8' })).body, { violation_count: 40 })
  t.equal((await chat(product, { user })).status, 200)
  await fetch(`${product.adminUrl}/api/v1/bans`, {
    method: 'POST', headers: { authorization: `Bearer ${product.adminToken}`, ...JSON_TYPE },
    body: JSON.stringify({ user: user.id, duration: 'forever', note: 'by hand' }),
  })
  const { status, body, headers } = await chat(product, { user })
  t.equal(status, 403)
  t.match(body, { reason: 'manual', expiresAt: null })
  t.notOk(headers.get('retry-after'))
})

t.test('a policy that changes under way applies to the next request, denied subjects included', async (t) => {
  const { product, user } = await setUp(t)
  t.equal((await chat(product, { user })).status, 200)
  await product.reload('deny: { addresses: [203.0.113.0/24] }')
  const { status, body } = await chat(product, { user })
  t.equal(status, 403)
  t.match(body, { type: 'ban', reason: 'denied', expiresAt: null })
  await product.reload('limiters: { messageIp: { max: 0 } }')
  t.equal((await chat(product, { user })).status, 429)
})

t.test('an exempt user is never scored or banned, still limited, and existing bans do not hold', async (t) => {
  const { product, user } = await setUp(t)
  await chat(product, { user, agent: 'curl/8' })
  t.equal((await chat(product, { user })).status, 403)
  await product.reload('exempt: { users: [ann@example.com] }\nlimiters: { messageIp: { max: 1 } }')
  t.equal((await chatToEnd(product, { user })).status, 200)
  const limited = await chat(product, { user })
  t.equal(limited.status, 429)
  t.match(limited.body, { violation_count: 0 })
})

t.test('requests that another site makes a browser send are limited, never scored', async (t) => {
  const { product } = await setUp(t, { policy: 'limiters: { loginIp: { max: 1 } }' })
  const login = (headers: Record<string, string>) =>
    send(product, '/api/auth/login', { body: { email: 'x', password: 'y' }, headers })
  await login({})
  const cross = await login({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' })
  t.equal(cross.status, 429)
  t.match(await cross.json(), { violation_count: 0 })
  t.match(await (await login({})).json(), { prev_count: 0, violation_count: 1 })
})

t.test('a banned credential anywhere in the request refuses it', async (t) => {
  const { product, user, demo } = await setUp(t)
  const other = await demo.user('bob')
  await chat(product, { user, agent: 'curl/8', from: '198.51.100.1' })
  const mixed = await chat(product, { user: other, headers: { cookie: user.cookie } })
  t.equal(mixed.status, 403)
  t.match(mixed.body, { type: 'ban' })
})

t.test('malformed targets are 400, TRACE is refused, and a preflight is never charged', async (t) => {
  const { product, reached } = await setUp(t, { policy: 'limiters: { loginIp: { max: 0 } }' })
  t.equal((await send(product, '/api/%zz')).status, 400)
  t.equal(reached(), 0)
  const preflight = await fetch(`${product.url}/api/auth/login`, {
    method: 'OPTIONS', headers: { origin: 'https://other.example', 'access-control-request-method': 'POST' },
  })
  t.not(preflight.status, 429)
  t.equal(reached(), 1)
})

t.test('22. a sign-in with a banned account\'s e-mail, in any letter case, is refused before the backend sees it', async (t) => {
  const { product, user, reached } = await setUp(t)
  const login = (body: unknown, from: string) => send(product, '/api/auth/login', { body, from })
  const credentials = { email: 'ann@example.com', password: 'password of ann' }
  t.equal((await login(credentials, '198.51.100.1')).status, 200, 'the gateway learns whose e-mail it is')
  await chat(product, { user, agent: 'curl/8' })
  const seen = reached()
  const refused = await login({ ...credentials, email: ' Ann@EXAMPLE.com' }, '198.51.100.2')
  t.equal(refused.status, 403)
  const { requestId, ...told } = await refused.json() as Record<string, unknown>
  t.equal(requestId, refused.headers.get('x-request-id'))
  t.strictSame(told, {
    message: 'Your account has been temporarily banned due to violations of our service.', type: 'ban',
  }, 'neither why nor for how long')
  t.notOk(refused.headers.get('retry-after'))
  t.notOk(refused.headers.get('set-cookie'))
  const form = await fetch(`${product.url}/api/auth/login`, {
    method: 'POST', body: new URLSearchParams(credentials), headers: { 'x-forwarded-for': '198.51.100.3' },
  })
  t.equal(form.status, 403)
  t.equal(reached(), seen)
  t.not((await login({ email: 'bob@example.com', password: 'x' }, '198.51.100.2')).status, 403, 'no contagion')
  product.clock.advance(7_200_001)
  t.equal((await login(credentials, '198.51.100.2')).status, 200)
})

t.test('23. a sign-in with a malformed, huge or odd body crashes nothing, and the address rules apply', async (t) => {
  const { product, reached } = await setUp(t)
  const login = (body: string | undefined, type = 'application/json') => fetch(`${product.url}/api/auth/login`, {
    method: 'POST', headers: { 'content-type': type, 'x-forwarded-for': '198.51.100.9' }, ...body === undefined ? {} : { body },
  })
  const odd = ['[]', 'null', '{"email":{"$gt":""}}', '{"email":["a","b"]}']
  for (const body of odd) t.not((await login(body)).status, 429)
  t.equal((await login('{"email":')).status, 400, 'it is no JSON, and the backend need not see it')
  t.equal((await login(`{"email":"${'x'.repeat(20_000)}"}`)).status, 413)
  t.equal(reached(), odd.length)
  await login(undefined, 'text/plain')
  t.equal((await login('{}')).status, 429, 'all of them counted')
})
