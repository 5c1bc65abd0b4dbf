/** Reference librechat.md §10, statements 28–34 and 48: messages in flight, and the streams that bring their answers. */
import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { allReady } from '../e2e/stage.js'
import { until } from '../helpers/backends.js'
import { startRedis } from '../helpers/redis.js'
import { FINAL_FRAME, type ChatBackend } from './statements/backend.js'
import { ask, MINUTE, open, setStage, slow, type Stage } from './statements/stage.js'

const ann = { user: 'ann' }
const ONE = { CONCURRENT_MESSAGE_MAX: '1' }
const FRAME = 'event: message\ndata: {"text":"… \\"final\\":true …"}\n\n'

t.test('28. Given CONCURRENT_MESSAGE_MAX=2, when a third generation starts, then 429 type concurrent, pendingRequests ≥2, ' +
  'limit 2', async (t) => {
  const { product, chat } = await setStage(t, { env: { CONCURRENT_MESSAGE_MAX: '2' } })
  t.same([(await slow(product, ann)).status, (await slow(product, ann)).status], [200, 200])
  const { status, body } = await slow(product, ann)
  t.equal(status, 429)
  t.match(body, { type: 'concurrent', pendingRequests: 2, limit: 2, score: 1, prev_count: 0, violation_count: 1 })
  t.equal(chat.count('POST'), 2)
  t.equal((await slow(product, { user: 'bob' })).status, 200)
})

t.test('29. Given a stream reaches final:true, then the slot frees even if another tab stays open', async (t) => {
  const stage = await setStage(t, { env: ONE })
  const { product, chat } = stage
  const id = await start(stage)
  const tabs = [await watch(stage, id), await watch(stage, id)]
  chat.viewers(id)[0]?.write(FRAME)
  t.ok(await until(() => tabs[0]?.text().includes('…') === true))
  t.equal((await slow(product, ann)).status, 429, 'text about it frees nothing')
  chat.viewers(id)[0]?.end(FINAL_FRAME)
  t.ok(await until(async () => (await slow(product, ann)).status === 200))
  t.same(tabs.map((tab) => tab.isOver()), [true, false])
})

t.test('30. Given the subscriber disconnects mid-generation, then the slot is kept', async (t) => {
  const stage = await setStage(t, { env: ONE })
  const { product, chat } = stage
  const id = await start(stage)
  const tab = await watch(stage, id)
  const left = once(chat.viewers(id)[0] ?? t, 'close')
  tab.leave()
  await left
  t.equal((await slow(product, ann)).status, 429)
  await watch(stage, id)
  chat.finish(id)
  t.ok(await until(async () => (await slow(product, ann)).status === 200), 'who comes back sees it end')
})

t.test('31. Given abort succeeds, then the slot frees once (a later final does not free a second)', async (t) => {
  const stage = await setStage(t, { env: { CONCURRENT_MESSAGE_MAX: '2' } })
  const { product, chat } = stage
  const [first] = [await start(stage), await start(stage)]
  const tab = await watch(stage, first)
  const abort = async (streamId: string) => await ask(product, 'POST /api/agents/chat/abort', ann, { streamId })
  t.equal((await abort('unknown')).status, 404)
  t.equal((await slow(product, ann)).status, 429, 'an abort that fails frees nothing')
  const asked = questions(chat)
  t.equal((await abort(first)).body['aborted'], first)
  t.equal((await slow(product, ann)).status, 200)
  t.equal(questions(chat), asked, 'known from the abort, not by asking which are active')
  t.match(await slow(product, ann), { status: 429, body: { pendingRequests: 2 } })
  chat.viewers(first)[0]?.end(FINAL_FRAME)
  t.ok(await until(() => tab.isOver()))
  t.equal((await abort(first)).status, 200, 'nor does a second abort')
  t.match(await slow(product, ann), { status: 429, body: { pendingRequests: 2 } })
})

t.test('32. Given upstream answers POST chat with 4xx/5xx or the socket dies, then the slot frees', async (t) => {
  const { product, chat } = await setStage(t, { env: { ...ONE, MESSAGE_IP_MAX: '1000' } })
  const answers: Record<string, RequestListener> = {
    'bad request': (_req, res) => { res.writeHead(400).end('{}') },
    forbidden: (_req, res) => { res.writeHead(403, { 'content-type': 'application/json' }).end('{"streamId":"s"}') },
    failed: (_req, res) => { res.writeHead(500).end('oops') },
    busy: (_req, res) => { res.writeHead(503).end() },
    'no JSON': (_req, res) => { res.writeHead(200, { 'content-type': 'application/json' }).end('{"streamId":') },
    'no stream': (_req, res) => { res.writeHead(200, { 'content-type': 'application/json' }).end('{"streamId":7}') },
    'dead socket': (req) => { req.socket.destroy() },
    'cut answer': (_req, res) => { res.writeHead(200, { 'content-length': '99' }).write('{', () => res.destroy()) },
  }
  for (const [name, answer] of Object.entries(answers)) {
    chat.answerNext(answer)
    const answered = await slow(product, ann).catch(() => ({ status: 0 }))
    t.not(answered.status, 429, name)
  }
  t.equal((await slow(product, ann)).status, 200)
  t.equal((await slow(product, ann)).status, 429, 'one that goes well keeps it')
})

t.test('33. Given nothing is heard for the TTL, then the slot frees (adapted: five minutes, renewed while its stream is seen)', async (t) => {
  const stage = await setStage(t, { env: ONE })
  const { product, chat } = stage
  const id = await start(stage)
  const tab = await watch(stage, id)
  product.clock.advance(4 * MINUTE)
  chat.viewers(id)[0]?.write(FRAME)
  t.ok(await until(() => tab.text().includes('…')))
  product.clock.advance(5 * MINUTE - 1)
  t.equal((await slow(product, ann)).status, 429)
  product.clock.advance(1)
  t.equal((await slow(product, ann)).status, 200)
})

t.test('34. Given Redis is down, then concurrency fails open and rate limits follow the configured mode, with a log line ' +
  '(adapted: either follows its onFailure, local by default)', async (t) => {
  const redis = await startRedis(t)
  const policy = `
limiters:
  messageIp: { max: 4 }
  loginIp: { onFailure: closed }
  registerIp: { max: 1, onFailure: open }
`
  const { product } = await setStage(t, { redis, policy, env: ONE })
  t.ok(await allReady([product]))
  await redis.kill()
  t.equal((await ask(product, 'POST /api/auth/login', {}, {})).status, 503, 'closed')
  for (let i = 0; i < 2; i++) t.equal((await ask(product, 'POST /api/auth/register', {}, {})).status, 200, 'open')
  t.equal((await slow(product, ann)).status, 200)
  t.match((await slow(product, ann)).body, { type: 'concurrent' }, 'slots are counted here')
  await product.reload('limiters: { messageIp: { max: 4 } }\nconcurrency: { messages: { onFailure: open } }')
  t.same([(await slow(product, ann)).status, (await slow(product, ann)).status], [200, 200], 'slots are not counted')
  t.match((await slow(product, ann)).body, { type: 'message_limit' }, 'local: up to its max')
  t.ok(product.log.lines.some(({ level, message }) => level !== 'info' && /redis/i.test(message)))
})

t.test('48. Given SSE from upstream, then it passes unbuffered, with no added latency and no compression change', async (t) => {
  const packed = gzipSync(Buffer.from(FRAME.repeat(100)))
  const { product, chat } = await setStage(t)
  const id = await start({ product, chat })
  const tab = await watch({ product, chat }, id)
  const before = tab.text().length
  const times: number[] = []
  for (let i = 1; i <= 50; i++) {
    const sent = performance.now()
    chat.viewers(id)[0]?.write(`data: {"delta":${i}}\n\n`)
    if (!await until(() => tab.text().endsWith(`{"delta":${i}}\n\n`))) return t.fail(`frame ${i} was kept back`)
    times.push(performance.now() - sent)
  }
  const median = times.toSorted((a, b) => a - b)[25] ?? Infinity
  t.ok(median < 20, `each frame arrived before the next was sent, after ${median.toFixed(1)} ms`)
  t.ok(tab.text().length > before)
  chat.answerNext((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }).end(packed)
  })
  const zipped = await open(product, `GET /api/agents/chat/stream/${id}`, { ...ann, headers: { 'accept-encoding': 'gzip, br' } })
  const pieces: Buffer[] = []
  for await (const piece of zipped) pieces.push(piece as Buffer)
  t.equal(zipped.headers['content-encoding'], 'gzip')
  t.ok(Buffer.concat(pieces).equals(packed), 'byte for byte')
  t.equal(chat.seen.at(-1)?.headers['accept-encoding'], 'gzip, br')
})

/** How often the backend was asked which messages it is answering. */
const questions = ({ seen }: ChatBackend) => seen.filter(({ path }) => path === '/api/agents/chat/active').length

/** Sends a message that must pass; gives its stream. */
async function start ({ product }: Stage): Promise<string> {
  const { status, body } = await slow(product, ann)
  if (status !== 200) throw new Error(`refused: ${status}`)
  return String(body['streamId'])
}

/** A tab that watches a stream; the backend has it before this resolves. */
async function watch ({ product }: Stage, id: string) {
  const answer: IncomingMessage = await open(product, `GET /api/agents/chat/stream/${id}`, ann)
  let text = ''
  let isOver = false
  answer.on('data', (piece: Buffer) => { text += piece.toString() })
  answer.on('close', () => { isOver = true })
  answer.on('error', () => {})
  return { text: () => text, isOver: () => isOver, leave: () => { answer.destroy() } }
}
