import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { startBackend, until } from '../helpers/backends.js'
import { JWT_SECRET, startProduct, testClock, type ProductOptions } from '../helpers/product.js'
import { startRedis } from '../helpers/redis.js'
import { metric, operate } from '../e2e/stage.js'

const MINUTE_MS = 60_000
const LONG = 'x'.repeat(21)
const WICKED = 'the secret word'

const RULES = `
version: 1
limiters:
  head: { key: user, max: 100, window: 1h }
  rate:
    { key: user, max: 3, window: 1h, algorithm: sliding-window, after: content,
      onExceed: { suspend: 30m, message: "Wait {minutes} minutes: {max} in {windowMinutes}." } }
content:
  default:
    checks:
      - { kind: pattern, pattern: odd, action: flag }
      - { kind: length, max: 20, action: refuse, message: "At most {max} characters, please." }
      - { kind: keywords, list: [secret word], action: suspend, severity: 1 }
      - { kind: keywords, list: [abuse], action: score, score: 20 }
    messages: { blocked: "Silence for {minutes} minutes." }
`

const POLICY = `${RULES}
preset: generic
routes:
  - { match: POST /chat, limit: [head, rate], prompt: { text: /text }, content: default, reply: librechat-json }
  - { match: POST /other, prompt: { conversation: { list: /messages, role: /role, text: /content } }, content: default, reply: openai }
  - { match: POST /watched, prompt: { text: /text }, content: default, mode: observe }
  - { match: POST /browsers, browserOnly: ua, prompt: { text: /text }, content: default, reply: librechat-json }
  - { match: POST /plain, limit: [head], prompt: { text: /text } }
`

t.test('who is suspended is told so on every chat route, and nothing else happens', async (t) => {
  const chat = await open(t, { policy: POLICY })
  t.match(await chat.say('ann', 'hello'), { status: 200, left: 2 })
  t.match(await chat.say('ann', WICKED), { status: 403, body: { message: 'Silence for 15 minutes.', type: 'suspension', reason: 'content', retryAfterSeconds: 900 } })
  const charged = await chat.say('ben', 'hello')
  chat.product.clock.advance(MINUTE_MS / 2)
  const reached = chat.reached.length
  for (const text of ['hello', LONG, WICKED, 'abuse']) {
    t.match(await chat.say('ann', text), {
      status: 403, headers: { 'retry-after': '870' }, body: { message: 'Silence for 15 minutes.', expiresAt: new Date(chat.begun + 15 * MINUTE_MS).toISOString() },
    })
  }
  t.match(await chat.say('ann', 'hello', '/other'), { status: 403, body: { error: { message: 'Silence for 15 minutes.' } } }, 'in the words of that route')
  t.match(await chat.say('ann', 'hello', '/browsers', { 'user-agent': 'curl/8' }), { status: 403, body: { type: 'suspension' } }, 'before a client that is no browser is scored')
  t.equal(chat.reached.length, reached, 'the backend sees none of them')
  t.match(await chat.subject('ann'), { infractionLevel: 2, messagesTotal: 1, scores: [] })
  t.equal((await chat.say('ann', 'hello', '/plain')).status, 200, 'where nothing is checked, nobody is silent')
  chat.product.clock.advance(15 * MINUTE_MS)
  t.match(await chat.say('ann', 'hello'), { status: 200, left: 0 }, 'none of them was charged; the one that was refused for its words was')
  t.match(charged, { status: 200, left: 2 }, 'and everybody else was left in peace')
})

t.test('what is refused is told, without what was said', async (t) => {
  const chat = await open(t, { policy: POLICY })
  t.match(await chat.say('ann', LONG), { status: 400, body: { message: 'At most 20 characters, please.', type: 'content', check: 'length' } })
  t.match(await chat.say('ann', `odd ${WICKED}`), { status: 403, body: { reason: 'content' } }, 'a flag hides nothing')
  t.match(await chat.say('ben', 'how odd'), { status: 200 }, 'and stops nothing')
  t.equal(await metric(chat.product, 'portcullis_messages_flagged_total{rule="default.pattern"}'), 2)
  t.equal(await metric(chat.product, 'portcullis_requests_total{route="POST /chat",verdict="suspension",mode="enforce"}'), 1)
  const lines = chat.product.log.lines.filter(({ rule }) => rule !== undefined)
  t.match(lines, [
    { kind: 'content', rule: 'default.length', message: 'refused' },
    { kind: 'flag', rule: 'default.pattern', message: 'flagged' },
    { kind: 'suspension', rule: 'default.keywords', reason: 'content', isNew: true },
    { kind: 'flag', rule: 'default.pattern', message: 'flagged' },
  ])
  t.notMatch(JSON.stringify(chat.product.log.lines), /xxxx|secret word|how odd/)
})

t.test('messages that content or the limiter refused are counted, and too many are a suspension of their own', async (t) => {
  const chat = await open(t, { policy: POLICY })
  const told: unknown[] = []
  for (const text of [LONG, LONG, 'hello', 'hello', 'hello']) {
    const { status, body } = await chat.say('ann', text)
    told.push([status, body['message']])
  }
  const limited = [429, 'Wait 30 minutes: 3 in 60.']
  t.same(told, [...new Array(2).fill([400, 'At most 20 characters, please.']), [200, undefined], limited, limited])
  chat.product.clock.advance(31 * MINUTE_MS)
  t.match(await chat.say('ann', 'hello'), { status: 429, headers: { 'retry-after': '1800' } }, 'four were sent within the hour')
  chat.product.clock.advance(30 * MINUTE_MS)
  t.equal((await chat.say('ann', 'hello')).status, 200, 'two are left')
  t.match(await chat.subject('ann'), { infractionLevel: 0, messagesTotal: 2 })
})

t.test('where nothing in the policy suspends, nobody is looked up, and no totals are kept', async (t) => {
  const mild = POLICY.replace('action: suspend, severity: 1', 'action: refuse').replace(/onExceed: \{.*?\} \}/, 'violation: often }')
  const chat = await open(t, { policy: POLICY })
  t.match(await chat.say('ann', 'hello'), { status: 200 })
  t.match(await chat.say('ann', WICKED), { status: 403 })
  t.match(await chat.subject('ann'), { messagesTotal: 1 })
  await chat.product.reload(mild)
  t.match(await chat.say('ann', 'hello'), { status: 200 }, 'none is in force')
  t.match(await chat.say('ann', WICKED), { status: 400 })
  t.match(await chat.subject('ann'), { messagesTotal: 1 })
  await chat.product.reload(POLICY)
  t.match(await chat.say('ann', 'hello'), { status: 403 })
})

t.test('a check that scores brings a ban', async (t) => {
  const chat = await open(t, { policy: POLICY })
  t.match(await chat.say('ann', 'abuse'), { status: 400, body: { type: 'content', violation: 'content_violation', score: 20, violation_count: 20, ban: true } })
  t.match(await chat.say('ann', 'hello', '/plain'), { status: 403 }, 'everywhere')
})

t.test('the exempt are neither checked nor silenced, and observing stores nothing', async (t) => {
  const exempt = 'exempt: { users: [ann] }\n'
  const chat = await open(t, { policy: exempt + POLICY })
  for (const text of [WICKED, LONG, 'abuse']) t.equal((await chat.say('ann', text)).status, 200)
  t.match(await chat.say('ann', 'hello'), { status: 429, body: { type: 'rate' } }, 'they are limited still, and no more than that')
  for (const text of [WICKED, LONG, 'abuse', WICKED]) t.equal((await chat.say('ben', text, '/watched')).status, 200)
  t.equal(await chat.subject('ben'), undefined)
  const noted = chat.product.log.lines.filter(({ message }) => message === 'would have been refused').map(({ rule }) => rule)
  t.same(noted, ['default.keywords', 'default.length', 'default.keywords2', 'default.keywords'])
  await chat.product.reload(POLICY.replace('  default:', '  default:\n    mode: observe'))
  t.equal((await chat.say('ben', WICKED)).status, 200)
  t.same((await chat.say('ben', LONG, '/other')).status, 200)
  await chat.product.reload(`mode: observe\n${POLICY}`)
  for (let i = 0; i < 5; i++) t.equal((await chat.say('cat', WICKED)).status, 200)
  t.equal(await chat.subject('cat'), undefined)
  t.equal((await chat.say('ben', 'hello')).status, 200)
})

t.test('a body is read where something looks at it, and nowhere else', async (t) => {
  const chat = await open(t, { policy: POLICY })
  const begin = async (path: string) => {
    const before = chat.reached.length
    const asked = request(`${chat.product.url}${path}`, { method: 'POST', headers: { ...as('ann'), 'content-type': 'application/json' } })
    asked.write('{"text":')
    const isSeen = await until(() => chat.reached.length > before, 300)
    asked.end('"hello"}')
    const [answer] = await once(asked, 'response') as [NodeJS.ReadableStream & { statusCode: number }]
    answer.resume()
    return [answer.statusCode, isSeen, chat.reached.at(-1)?.body]
  }
  t.same(await begin('/plain'), [200, true, ''], 'forwarded as it comes')
  t.same(await begin('/chat'), [200, false, '{"text":"hello"}'])
  await chat.product.reload(POLICY.replace('  default:', '  default:\n    enabled: false'))
  t.same(await begin('/chat'), [200, true, '{"text":"hello"}'])
})

t.test('where two entries apply, the first check of either that has something against it decides', async (t) => {
  const chat = await open(t, {
    policy: `
version: 1
preset: generic
content:
  strict: { checks: [ { kind: length, max: 3 } ] }
  lax: { checks: [ { kind: length, max: 10 } ], mode: observe }
routes:
  - { match: POST /chat, prompt: { text: /text }, content: lax, reply: openai }
  - { match: POST /Chat, prompt: { text: /text }, content: strict, reply: librechat-json }
`,
  })
  t.match(await chat.say('ann', 'hello', '/Chat'), { status: 400, body: { type: 'content' } }, 'by the dialect of the entry that refused')
  t.equal((await chat.say('ann', 'you', '/Chat')).status, 200)
})

t.test('each frame is a message, and who is silent in one place is silent in the other', async (t) => {
  const chat = await open(t, {
    policy: `${POLICY}
  - { match: GET /ws, limit: [head, rate], frames: inspect, prompt: { text: /text }, content: default, reply: cheshire-cat }
`,
  })
  const server = new WebSocketServer({ server: chat.backend.server })
  server.on('connection', (socket) => socket.on('message', (data: Buffer) => socket.send(`meow ${data.toString()}`)))
  const converse = async (user: string) => {
    const socket = new WebSocket(`${chat.product.url.replace('http', 'ws')}/ws`, { headers: as(user) })
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    return async (text: string) => {
      const answer = once(socket, 'message') as Promise<[Buffer]>
      socket.send(JSON.stringify({ text }))
      return (await answer)[0].toString()
    }
  }
  const ann = await converse('ann')
  t.equal(await ann('hello'), 'meow {"text":"hello"}')
  t.match(JSON.parse(await ann(LONG)), { type: 'chat', content: 'At most 20 characters, please.' })
  t.match(JSON.parse(await ann(WICKED)), { content: 'Silence for 15 minutes.' })
  t.match(JSON.parse(await ann('hello')), { content: 'Silence for 15 minutes.' })
  t.match(await chat.say('ann', 'hello'), { status: 403, body: { message: 'Silence for 15 minutes.' } })
  t.match(JSON.parse(await (await converse('ann'))('hello')), { content: 'Silence for 15 minutes.' }, 'a handshake is no message')
  chat.product.clock.advance(15 * MINUTE_MS)
  t.match(JSON.parse(await ann('hello')), { content: 'Wait 30 minutes: 3 in 60.' }, 'three frames were counted, no handshake and none of the silence')
})

t.test('who holds a body back is silenced by what he says meanwhile', async (t) => {
  const chat = await open(t, { policy: POLICY })
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'hello' }] })
  const headers = { ...as('ann'), 'content-type': 'application/json', 'content-length': String(body.length) }
  const held = request(`${chat.product.url}/other`, { method: 'POST', headers, agent: false })
  held.write(body.slice(0, 10))
  // Its head has come when what is sent behind it has been answered.
  t.equal((await chat.say('ben', 'hello')).status, 200)
  t.match(await chat.say('ann', WICKED), { status: 403 })
  chat.product.clock.advance(2_000)
  held.end(body.slice(10))
  const [answer] = await once(held, 'response') as [{ statusCode: number, resume (): void }]
  answer.resume()
  t.equal(answer.statusCode, 403)
})

t.test('two instances on one Redis share suspensions, levels and messages', async (t) => {
  const { url } = await startRedis(t)
  const redis = { url, prefix: 'content-test:' }
  const clock = testClock()
  const one = await open(t, { policy: POLICY, redis, clock })
  const other = await open(t, { policy: POLICY, redis, clock })
  t.equal((await one.say('ann', 'hello')).status, 200)
  t.match(await one.say('ann', WICKED), { status: 403, body: { message: 'Silence for 15 minutes.' } })
  t.match(await other.say('ann', 'hello'), { status: 403, body: { message: 'Silence for 15 minutes.' } })
  clock.advance(15 * MINUTE_MS)
  t.match(await other.say('ann', WICKED), { status: 403, body: { message: 'Silence for 60 minutes.' } })
  t.match(await one.subject('ann'), { infractionLevel: 3, messagesTotal: 1 })
  t.equal(await operate(one.product, 'DELETE', '/api/v1/suspensions/user:ann'), 204)
  t.match(await other.say('ann', 'hello'), { status: 429, body: { message: 'Wait 30 minutes: 3 in 60.' } }, 'three messages have been counted')
  t.match(await one.say('ann', 'hello'), { status: 429 })
})

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Whoever he is stays so, however the clock moves. */
function as (user: string): Record<string, string> {
  const signed = `${encode({ alg: 'HS256' })}.${encode({ sub: user, exp: 4_000_000_000 })}`
  return { authorization: `Bearer ${signed}.${createHmac('sha256', JWT_SECRET).update(signed).digest('base64url')}` }
}

/** A chat backend behind the gateway, and what its people say. */
async function open (t: Test, options: Omit<ProductOptions, 'upstream'>) {
  const reached: { readonly path: string | undefined, body: string }[] = []
  const backend = await startBackend(t, (asked, response) => {
    const one = { path: asked.url, body: '' }
    reached.push(one)
    asked.on('data', (data: Buffer) => { if (reached.at(-1) === one && one.path === '/chat') one.body += data.toString() })
    asked.on('end', () => response.end('{}'))
  })
  const product = await startProduct(t, { upstream: backend.url, ...options })
  return {
    backend,
    product,
    reached,
    begun: product.clock(),
    async say (user: string, text: string, path = '/chat', more: Record<string, string> = {}) {
      const body = JSON.stringify(path === '/other' ? { messages: [{ role: 'user', content: text }] } : { text })
      const headers = { ...as(user), 'content-type': 'application/json', ...more }
      const response = await fetch(`${product.url}${path}`, { method: 'POST', headers, body })
      const left = Number(/"rate";r=(\d+)/.exec(response.headers.get('ratelimit') ?? '')?.[1])
      const told = await response.json() as Record<string, unknown>
      return { status: response.status, headers: Object.fromEntries(response.headers), left, body: told }
    },
    /** What the operator sees of a person; undefined: nothing is kept. */
    async subject (user: string): Promise<unknown> {
      const headers = { authorization: `Bearer ${product.adminToken}` }
      const response = await fetch(`${product.adminUrl}/api/v1/subjects/user:${user}`, { headers })
      const kept = await response.json() as { infractionLevel?: number, messagesTotal?: number, suspension?: unknown }
      const isBlank = response.status === 404 || (kept.infractionLevel ?? 0) + (kept.messagesTotal ?? 0) === 0
      return isBlank && (kept.suspension ?? undefined) === undefined ? undefined : kept
    },
  }
}
