import { createHmac } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import type { Exchange } from '../../src/exchange.js'
import { bucketOf } from '../../src/limits/buckets.js'
import { createForgiveness } from '../../src/limits/forgiveness.js'
import { limiterOf } from '../contract/limiters.js'
import { startBackend } from '../helpers/backends.js'
import { JWT_SECRET, startProduct } from '../helpers/product.js'
import { exchangeOf, NOW } from './exchanges.js'

const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function bearer (id: string): Record<string, string> {
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ id, exp: Math.floor(Date.now() / 1000) + 3600 })}`
  return { authorization: `Bearer ${signed}.${createHmac('sha256', JWT_SECRET).update(signed).digest('base64url')}` }
}

interface Send {
  readonly method?: string
  readonly from?: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

/** A product that believes what its only peer says of addresses. */
async function setUp (t: Test, policy: string, answer?: (req: IncomingMessage, res: ServerResponse) => void) {
  const reached: string[] = []
  const backend = await startBackend(t, (req, res) => {
    reached.push(`${req.method} ${req.url}`)
    req.resume()
    if (answer === undefined) res.end('{}')
    else answer(req, res)
  })
  const product = await startProduct(t, { upstream: backend.url, policy, env: { GATEWAY_TRUST_PROXY: 'loopback' } })
  const send = async (path: string, { method = 'POST', from = '203.0.113.1', headers = {}, body }: Send = {}) => {
    const answer = await fetch(product.url + path, {
      method, redirect: 'manual', headers: { 'user-agent': BROWSER, 'x-forwarded-for': from, ...headers },
      ...body === undefined ? {} : { body: JSON.stringify(body) },
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text }
  }
  return { product, send, reached }
}

const jsonOf = ({ text }: { text: string }) => JSON.parse(text) as Record<string, unknown>

/** As the identity room makes a guest. */
function guestExchange (): Exchange {
  const guest = { id: 'guest_0123456789abcdef0123456789abcdef', guest: true } as const
  const exchange = exchangeOf({ user: guest.id })
  return { ...exchange, identity: { ...exchange.identity, user: guest, users: [guest] } }
}

t.test('only: guests counts guests and the anonymous, only: members the others, neither of them all', async (t) => {
  const anonymous = exchangeOf()
  const doubtful: Exchange = { ...anonymous, identity: { ...anonymous.identity, unverified: true } }
  const asked = { anonymous, doubtful, guest: guestExchange(), member: exchangeOf({ user: 'ann' }) }
  const countedBy = (only: 'guests' | 'members' | undefined) => Object.entries(asked)
    .filter(([, exchange]) => bucketOf(limiterOf('l', { only }), exchange) !== undefined).map(([name]) => name)
  t.same(countedBy('guests'), ['anonymous', 'guest'])
  t.same(countedBy('members'), ['member'])
  t.same(countedBy(undefined), ['anonymous', 'doubtful', 'guest', 'member'])
})

t.test('guests and the anonymous of one address have one quota, whatever it counts by', async (t) => {
  const plan = { ...exchangeOf().plan, authRequired: true }
  for (const part of [{ key: ['ip'] }, { key: ['user'] }, { key: ['user'], anonymous: 'ip' }, { key: ['ip', 'user'] }] as const) {
    const limiter = limiterOf('l', { only: 'guests', ...part })
    const buckets = [exchangeOf(), guestExchange()].map((exchange) => bucketOf(limiter, { ...exchange, plan })?.bucket)
    t.same(buckets, ['ip:203.0.113.9', 'ip:203.0.113.9'], part.key.join())
  }
})

t.test('a member whose token has run out uses up no guest\'s quota; garbage is bounded by the ordinary limiter', async (t) => {
  const { send } = await setUp(t, `
identity:
  - { from: "header:authorization:bearer", jwt: { algorithms: [HS256], secret: "\${JWT_SECRET}", claim: id } }
  - { from: address, guest: true }
limiters:
  taste: { key: ip, max: 2, window: 24h, only: guests, status: 402, type: GUEST_LIMIT }
  messageIp: { max: 6 }
routes:
  - { match: POST /ask, auth: required, limit: [taste, messageIp] }
`)
  const ask = async (authorization?: string, more: Record<string, string> = {}) =>
    (await send('/ask', { headers: { ...more, ...authorization === undefined ? {} : { authorization } } })).status
  const expired = `Bearer ${encode({ alg: 'HS256' })}.${encode({ id: 'ann', exp: 1 })}.x`
  for (let i = 0; i < 5; i++) t.equal(await ask(expired), 200, 'the backend says 401')
  t.same([await ask(), await ask(), await ask()], [200, 200, 402])
  t.same([await ask('Bearer garbage'), await ask('Bearer other')], [200, 429])
  for (const odd of ['Basic x', 'bearer x', 'x, Bearer garbage', 'Bearer']) t.equal(await ask(odd), 402, odd)
  t.equal(await ask(undefined, { cookie: 'refreshToken=x; openid_user_id=y' }), 402)
  t.equal(await ask(bearer('ann').authorization), 200)
})

t.test('a forwarding header brings a guest of our own network no second quota', async (t) => {
  const backend = await startBackend(t, (req, res) => { req.resume(); res.end('{}') })
  const product = await startProduct(t, {
    upstream: backend.url,
    policy: `
identity: [{ from: address, guest: true }]
limiters: { taste: { key: ip, max: 2, window: 24h, only: guests, status: 402 } }
routes: [{ match: POST /ask, auth: required, limit: [taste] }]
`,
  })
  const ask = async (headers: Record<string, string>) => {
    const answer = await fetch(`${product.url}/ask`, { method: 'POST', headers })
    await answer.arrayBuffer()
    return answer.status
  }
  t.same([await ask({}), await ask({ 'x-forwarded-for': '198.51.100.7' })], [200, 200])
  for (const headers of [{}, { 'x-forwarded-for': '198.51.100.8' }, { forwarded: 'for=1.2.3.4' }]) t.equal(await ask(headers), 402)
})

t.test('a quota for guests is answered 402 in its own words, and members of the address pass', async (t) => {
  const { send, reached } = await setUp(t, `
reply: librechat-json
limiters:
  taste:
    key: ip
    max: 3
    window: 24h
    only: guests
    status: 402
    type: GUEST_LIMIT
    message: "Guest message limit reached. Log in to continue."
routes:
  - { match: POST /ask, limit: [taste] }
`)
  for (let i = 0; i < 5; i++) t.equal((await send('/ask', { headers: bearer('ann') })).status, 200)
  for (let i = 0; i < 3; i++) t.equal((await send('/ask')).status, 200)
  const refused = await send('/ask')
  t.equal(refused.status, 402)
  t.match(jsonOf(refused), {
    type: 'GUEST_LIMIT', message: 'Guest message limit reached. Log in to continue.', max: 3, limiter: 'ip',
    windowInMinutes: 1440, prev_count: 0, violation_count: 0,
  })
  t.equal((await send('/ask', { headers: bearer('ann') })).status, 200)
  t.equal((await send('/ask', { from: '203.0.113.2' })).status, 200, 'the next address has a quota of its own')
  t.equal(reached.length, 10)
})

const CLICKS = `
limiters: { loginIp: { max: 4 } }
routes:
  - { match: GET /oauth/:provider, limit: [loginIp], login: true, forgive: 1s }
  - { match: GET /oauth/:provider/callback, limit: [loginIp], login: true }
`

t.test('one second click within a second is forwarded and not counted; what comes later, or otherwise, is', async (t) => {
  const { send, product } = await setUp(t, CLICKS)
  const click = (path = '/oauth/google', part: Send = {}) => send(path, { method: 'GET', ...part })
  const left = async (path?: string, part?: Send) => Number((await click(path, part)).headers.get('x-ratelimit-remaining'))
  t.equal(await left(), 3)
  t.equal(await left(), 3, 'the headers say where the limiter stands')
  t.equal(await left(), 2, 'the third click is counted again')
  product.clock.advance(999)
  t.equal(await left('/oauth/google?again=1'), 2, 'the query makes no other path')
  product.clock.advance(1_000)
  t.equal(await left(), 1, 'nor is one forgiven that comes after a forgiven one')
  product.clock.advance(1_000)
  t.equal(await left(), 0, 'a second later it is counted')
  t.equal(await left('/oauth/github', { from: '203.0.113.7' }), 3, 'another address')
  t.equal(await left('/oauth/github', { from: '203.0.113.7', method: 'HEAD' }), 2, 'another method')
  t.equal(await left('/oauth/google', { from: '203.0.113.7' }), 1, 'another provider')
})

t.test('a full limit forgives nothing: whose first click took the last place is refused the second', async (t) => {
  const { send, product, reached } = await setUp(t, CLICKS)
  const click = async (path: string) => (await send(path, { method: 'GET' })).status
  t.equal(await click('/oauth/google'), 200)
  for (const path of ['/oauth/a', '/oauth/b', '/oauth/c']) t.equal(await click(path), 200)
  t.equal(reached.length, 4)
  for (const path of ['/oauth/google', '/oauth/c', '/oauth/c']) t.equal(await click(path), 429, path)
  t.equal(reached.length, 4, 'though others of the address took the places')
  product.clock.advance(5 * 60_000)
  t.equal(await click('/oauth/google'), 200)
})

t.test('what carries a provider\'s answer is counted every time, on whatever path', async (t) => {
  const { send, reached } = await setUp(t, CLICKS)
  const queries = ['code=1', 'state=1&x=2', 'error=denied', 'token', 'SAMLResponse=x', 'samlresponse=x', 'a=1&%63ode=2', 'code[]=1', 'code.x=1',
    'a=1;code=2', '+code=1', 'CODE=']
  for (const [index, query] of queries.entries()) {
    const from = `198.51.100.${index}`
    const before = reached.length
    const statuses: number[] = []
    for (let i = 0; i < 6; i++) statuses.push((await send(`/oauth/google?${query}`, { method: 'GET', from })).status)
    t.same(statuses, [200, 200, 200, 200, 429, 429], query)
    t.equal(reached.length - before, 4)
  }
  const from = '198.51.100.99'
  const left = async (path: string) => (await send(path, { method: 'GET', from })).headers.get('x-ratelimit-remaining')
  t.same([await left('/oauth/google'), await left('/oauth/google?code=1')], ['3', '2'], 'nor does a click before it forgive it')
  t.equal(await left('/oauth/google?encode=1&statement=2'), '2', 'other names are not meant')
})

t.test('a backend that is hammered with guesses gets no more of them than the limit says', async (t) => {
  const { send, reached } = await setUp(t, CLICKS)
  for (let i = 0; i < 40; i++) await send(`/oauth/openid?guess=${i}`, { method: 'GET' })
  t.ok(reached.length <= 8, `${reached.length}: one forgiven for each counted`)
})

t.test('callbacks, and spellings that also mean another route, are always counted', async (t) => {
  const { send } = await setUp(t, `
routes:
  - { match: GET /oauth/:provider, limit: [loginIp], forgive: 1s }
`)
  for (const path of ['/oauth/google/callback', '/oauth//google', '/oauth/google/']) {
    const from = `203.0.113.${path.length}`
    const statuses: number[] = []
    for (let i = 0; i < 8; i++) statuses.push((await send(path, { method: 'GET', from })).status)
    t.equal(statuses.at(-1), 429, path)
  }
})

t.test('what is forgiven is bounded: ten thousand links, none of them long; clocks that run backwards forgive nothing', async (t) => {
  const time = { now: NOW }
  const forgiveness = createForgiveness(1000, () => time.now)
  const get = (target: string, address?: string): Exchange =>
    ({ ...exchangeOf({ target, ...address === undefined ? {} : { address } }), method: 'GET' })
  const exchange = get('/oauth/google')
  t.notOk(forgiveness.forgives(exchange))
  forgiveness.noteCounted(exchange)
  const second = get('/oauth/google')
  t.ok(forgiveness.forgives(second))
  t.ok(forgiveness.hasForgiven(second))
  t.notOk(forgiveness.hasForgiven(exchange))
  forgiveness.noteCounted(second)
  t.notOk(forgiveness.forgives(get('/oauth/google')), 'a forgiven one forgives none')
  forgiveness.noteCounted(exchange)
  time.now -= 1
  t.notOk(forgiveness.forgives(get('/oauth/google')))
  time.now += 1
  forgiveness.noteCounted(exchange)
  for (let i = 0; i < 10_000; i++) forgiveness.noteCounted(get('/oauth/google', `10.0.${i >> 8}.${i & 255}`))
  t.notOk(forgiveness.forgives(get('/oauth/google')), 'the oldest has made room')
  const long = `/oauth/${'x'.repeat(300)}`
  forgiveness.noteCounted(get(long))
  t.notOk(forgiveness.forgives(get(long)))
})

const SHARED = `
limiters:
  loginIp: { max: 3, count: { status: [401, 404] } }
  resetSubmissionIp: { shownAs: submission }
`

t.test('with count, only failed sign-ins are punished: an office whose people sign in correctly is never refused', async (t) => {
  const { send, product, reached } = await setUp(t, SHARED, (req, res) => {
    res.statusCode = req.headers['x-password'] === 'right' ? 200 : 401
    res.end('{}')
  })
  const signIn = (password: string, email = 'ann@example.com') =>
    send('/api/auth/login', { headers: { 'x-password': password, 'content-type': 'application/json' }, body: { email, password } })
  for (let i = 0; i < 2; i++) t.equal((await signIn('wrong', 'mallory@example.com')).status, 401)
  for (let i = 0; i < 40; i++) t.equal((await signIn('right', `user${i}@example.com`)).status, 200)
  t.equal((await signIn('right')).headers.get('x-ratelimit-remaining'), '1', 'two failures of three')
  t.equal((await signIn('wrong')).status, 401)
  const before = reached.length
  const refused = await signIn('right')
  t.equal(refused.status, 429, 'three failures, whoever comes next')
  t.match(jsonOf(refused), { type: 'logins', max: 3, limiter: 'ip', windowInMinutes: 5, prev_count: 0, violation_count: 1 })
  t.equal(reached.length, before)
  product.clock.advance(5 * 60_000)
  t.equal((await signIn('right')).status, 200)
})

t.test('refusals say what the chat app\'s own say, and when to come back', async (t) => {
  const { send, product } = await setUp(t, SHARED)
  for (let i = 0; i < 2; i++) await send('/api/auth/resetPassword')
  product.clock.advance(30_000)
  const refused = await send('/api/auth/resetPassword')
  t.same(jsonOf(refused), {
    message: 'Too many attempts, please try again after 2 minute(s)',
    type: 'reset_password_limit',
    max: 2,
    limiter: 'submission',
    windowInMinutes: 2,
    score: 1,
    prev_count: 0,
    violation_count: 1,
    date: new Date(product.clock()).toISOString(),
    retryAfterSeconds: 90,
    resetAt: product.clock() + 90_000,
    requestId: refused.headers.get('x-request-id'),
  })
  t.equal(refused.headers.get('retry-after'), '90')
  for (let i = 0; i < 2; i++) await send('/api/user/verify/resend')
  t.match(jsonOf(await send('/api/user/verify/resend')), { type: 'verify_email_limit', limiter: 'ip' })
})
