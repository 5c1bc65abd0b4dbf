import { createHmac } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import type { Exchange } from '../../src/exchange.js'
import { bucketOf } from '../../src/limits/buckets.js'
import { createForgiveness } from '../../src/limits/forgiveness.js'
import type { Decision } from '../../src/limits/contract.js'
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
  const asked = { anonymous: exchangeOf(), guest: guestExchange(), member: exchangeOf({ user: 'ann' }) }
  const countedBy = (only: 'guests' | 'members' | undefined) => Object.entries(asked)
    .filter(([, exchange]) => bucketOf(limiterOf('l', { only }), exchange) !== undefined).map(([name]) => name)
  t.same(countedBy('guests'), ['anonymous', 'guest'])
  t.same(countedBy('members'), ['member'])
  t.same(countedBy(undefined), ['anonymous', 'guest', 'member'])
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

t.test('a second click within a second is forwarded and not counted; what comes later, or otherwise, is', async (t) => {
  const { send, product, reached } = await setUp(t, `
limiters: { loginIp: { max: 3 } }
routes:
  - { match: GET /oauth/:provider, limit: [loginIp], login: true, forgive: 1s }
  - { match: GET /oauth/:provider/callback, limit: [loginIp], login: true }
`)
  const click = (path = '/oauth/google', part: Send = {}) => send(path, { method: 'GET', ...part })
  const left = async (path?: string, part?: Send) => Number((await click(path, part)).headers.get('x-ratelimit-remaining'))
  t.equal(await left(), 2)
  for (let i = 0; i < 5; i++) t.equal(await left(), 2, 'the headers say where the limiter stands')
  product.clock.advance(999)
  t.equal(await left('/oauth/google?again=1'), 2, 'the query makes no other path')
  product.clock.advance(1)
  t.equal(await left(), 1, 'a second after the counted one, not after the forgiven one')
  t.equal(await left('/oauth/github', { from: '203.0.113.7' }), 2, 'another address')
  t.equal(await left('/oauth/github', { from: '203.0.113.7', method: 'HEAD' }), 1, 'another method')
  t.equal(await left('/oauth/github'), 0, 'another provider')
  const before = reached.length
  t.equal((await click('/oauth/github')).status, 200, 'its second click still passes')
  product.clock.advance(1_000)
  t.equal((await click('/oauth/github', { headers: { accept: 'text/html' } })).status, 302)
  for (let i = 0; i < 3; i++) t.equal((await click('/oauth/github')).status, 429, 'a refusal forgives nothing')
  t.equal(reached.length, before + 1)
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
  const state = {
    limiter: limiterOf('l'), bucket: 'ip:1', subject: 'ip:1', charged: 1, remaining: 2, resetAt: NOW, retryAt: NOW,
  }
  const decision: Decision = {
    at: NOW, states: [state], refused: -1, booking: undefined, observed: [], slots: [], unavailable: undefined,
  }
  const exchange = get('/oauth/google')
  t.notOk(forgiveness.forgives(exchange))
  forgiveness.noteCounted(exchange, decision)
  const second = get('/oauth/google')
  t.ok(forgiveness.forgives(second))
  t.ok(forgiveness.hasForgiven(second))
  t.notOk(forgiveness.hasForgiven(exchange))
  t.equal(second.decision?.states[0]?.charged, 0, 'there is no place to give back')
  time.now -= 1
  t.notOk(forgiveness.forgives(get('/oauth/google')))
  time.now += 1
  for (let i = 0; i < 10_000; i++) forgiveness.noteCounted(get('/oauth/google', `10.0.${i >> 8}.${i & 255}`), decision)
  t.notOk(forgiveness.forgives(get('/oauth/google')), 'the oldest has made room')
  const long = `/oauth/${'x'.repeat(300)}`
  forgiveness.noteCounted(get(long), decision)
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
