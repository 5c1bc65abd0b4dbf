/** Reference librechat.md §10, statements 1–8 and 41–45: what limiters count, refuse and say. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { until } from '../helpers/backends.js'
import { ask, HOUR, journal, MINUTE, say, sayTimes, setStage, statusOf, totals, type Answer } from './statements/stage.js'

const ann = { user: 'ann' }
const bob = { user: 'bob' }
const NOTHING_PASSES = { MESSAGE_IP_MAX: '0' }

t.test('1. Given defaults, when a 41st message POST arrives from one IP inside 60 s of the first, then it is refused ' +
  'and not proxied', async (t) => {
  const { product, chat } = await setStage(t)
  t.same(await sayTimes(product, ann, 40), { 200: 40 })
  product.clock.advance(MINUTE - 1)
  const { status, body } = await say(product, bob)
  t.equal(status, 429)
  t.match(body, { type: 'message_limit', max: 40, limiter: 'ip' })
  t.equal(chat.count('POST'), 40)
})

t.test('2. Given the window started at t0, when t0+60 s passes, then the counter is empty, however many were refused', async (t) => {
  const { product } = await setStage(t, { env: { BAN_VIOLATIONS: 'false' } })
  t.same(await sayTimes(product, ann, 40), { 200: 40 })
  product.clock.advance(30_000)
  t.same(await sayTimes(product, ann, 50), { 429: 50 })
  product.clock.advance(30_000 - 1)
  t.equal((await say(product, ann)).status, 429)
  product.clock.advance(1)
  t.same(await sayTimes(product, ann, 41), { 200: 40, 429: 1 })
})

t.test('3. Given IP limiter refuses, then the user bucket is unchanged', async (t) => {
  const { product } = await setStage(t, { env: { LIMIT_MESSAGE_USER: 'true', MESSAGE_IP_MAX: '2', MESSAGE_USER_MAX: '4' } })
  t.same(await sayTimes(product, { ...ann, ip: '203.0.113.1' }, 5), { 200: 2, 429: 3 })
  t.same(await sayTimes(product, { ...ann, ip: '203.0.113.2' }, 2), { 200: 2 })
  t.match((await say(product, { ...ann, ip: '203.0.113.3' })).body, { limiter: 'user', max: 4 })
})

t.test('4. Given LIMIT_MESSAGE_USER unset, then 100 messages by one user from 3 IPs under 40 each pass', async (t) => {
  const { product } = await setStage(t)
  for (const [ip, times] of [['203.0.113.1', 34], ['203.0.113.2', 33], ['203.0.113.3', 33]] as const) {
    t.same(await sayTimes(product, { ...ann, ip }, times), { 200: times })
  }
})

t.test('5. Given two users behind one IP, then the IP bucket is shared and only the refused user\'s score rises', async (t) => {
  const { product } = await setStage(t, { env: { MESSAGE_IP_MAX: '3' } })
  t.same(await sayTimes(product, ann, 2), { 200: 2 })
  t.same(await sayTimes(product, bob, 2), { 200: 1, 429: 1 })
  t.ok(await until(async () => 'message_limit' in await totals(product), 5_000))
  t.match(await totals(product), { message_limit: { 'user:bob': { total: 1, score: 1 } } })
  t.strictSame(Object.keys((await totals(product))['message_limit'] ?? {}), ['user:bob'])
})

t.test('6. Given a refusal, then Retry-After and X-RateLimit-Limit/Remaining/Reset are present and remaining is 0', async (t) => {
  const { product } = await setStage(t, { env: { MESSAGE_IP_MAX: '1' } })
  const resetAt = product.clock() + MINUTE
  await say(product, ann)
  product.clock.advance(20_000)
  const { status, headers } = await say(product, ann)
  t.equal(status, 429)
  t.match(headers, {
    'retry-after': '40', 'x-ratelimit-limit': '1', 'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': String(Math.ceil(resetAt / 1000)),
  })
})

t.test('7. Given OLD profile, then refusal is 200 SSE with one message and one error frame whose text parses to type ' +
  'message_limit (adapted: by the route\'s dialect; ids are echoed)', async (t) => {
  const { product, chat } = await setStage(t, { env: NOTHING_PASSES })
  const asked = { text: 'hi', messageId: 'm-1', conversationId: 'c-1', parentMessageId: 'p-1' }
  for (const path of ['/api/ask/openAI', '/api/edit/openAI', '/api/bedrock/chat', '/api/assistants/v2/chat']) {
    const { status, headers, text } = await ask(product, `POST ${path}`, ann, asked)
    t.equal(status, 200, path)
    t.match(headers['content-type'], 'text/event-stream')
    const [message, error] = framesOf(text)
    t.match(message, { event: 'message', data: { created: true, message: asked } })
    t.match(error, { event: 'error', data: { final: true, error: true, parentMessageId: 'm-1', conversationId: 'c-1' } })
    t.match(JSON.parse(String(error?.data['text'])), { type: 'message_limit', max: 0, limiter: 'ip', windowInMinutes: 1 })
    t.equal(framesOf(text).length, 2)
  }
  t.equal(chat.seen.length, 0)
})

t.test('8. Given resumable profile, then refusal is 429 JSON with type,max,limiter,windowInMinutes,prev_count,' +
  'violation_count,date (adapted: by the route\'s dialect)', async (t) => {
  for (const [PORTCULLIS_PRESET, path] of [
    ['librechat', '/api/agents/chat/openAI'], ['librechat', '/api/agents/chat'], ['hanzo-chat', '/v1/chat/agents/chat/openAI'],
  ] as const) {
    const { product, chat } = await setStage(t, { env: { ...NOTHING_PASSES, PORTCULLIS_PRESET } })
    await ask(product, `POST ${path}`, ann, { text: 'hi' })
    const { status, body } = await ask(product, `POST ${path}`, ann, { text: 'hi' })
    t.equal(status, 429, path)
    t.match(body, {
      type: 'message_limit', max: 0, limiter: 'ip', windowInMinutes: 1, prev_count: 1, violation_count: 2,
      date: new Date(product.clock()).toISOString(), message: /./, requestId: /./, retryAfterSeconds: Number,
    })
    t.equal(chat.seen.length, 0)
  }
})

t.test('41. Given yaml fileUploads.userMax=5 and env FILE_UPLOAD_USER_MAX=50, then 5; env IP value stays when yaml ' +
  'omits it', async (t) => {
  const CONFIG_PATH = await fileOf(t, 'rateLimits:\n  fileUploads:\n    userMax: 5\n')
  const { product } = await setStage(t, { env: { CONFIG_PATH, FILE_UPLOAD_USER_MAX: '50', FILE_UPLOAD_IP_MAX: '7' } })
  const upload = async (user: string) => await ask(product, 'POST /api/files', { user })
  for (let i = 0; i < 5; i++) t.equal((await upload('ann')).status, 200)
  t.match((await upload('ann')).body, { limiter: 'user', max: 5 })
  t.equal((await upload('bob')).status, 200, 'the seventh of the address')
  t.match((await upload('bob')).body, { limiter: 'ip', max: 7 })
})

t.test('42. Given 51 uploads by one user in 15 min, then 429 with the exact message, and score env 0 logs but never ' +
  'bans', async (t) => {
  const { product, chat } = await setStage(t, { env: { FILE_UPLOAD_VIOLATION_SCORE: '0' } })
  const upload = async () => await ask(product, 'POST /api/files/images', ann)
  for (let i = 0; i < 50; i++) t.equal((await upload()).status, 200)
  product.clock.advance(15 * MINUTE - 1)
  const refused: Answer[] = []
  for (let i = 0; i < 45; i++) refused.push(await upload())
  t.ok(refused.every(({ status }) => status === 429))
  t.equal(refused[0]?.body['message'], 'Too many file upload requests. Try again later')
  t.equal(chat.count('POST'), 50)
  t.equal(await statusOf(product, ann), 200, 'not banned')
  t.ok(await until(async () => (await journal(product)).length === 45, 5_000))
  t.match((await journal(product))[44], { type: 'file_upload_limit', score: 0, violation_count: 0, max: 50 })
})

t.test('43. Given POST /api/files/speech/stt, then STT limits apply and upload limits do not; POST /api/files/usage uses ' +
  'its own bucket', async (t) => {
  const { product } = await setStage(t, {
    env: { STT_USER_MAX: '2', FILE_UPLOAD_USER_MAX: '1', FILE_USAGE_USER_MAX: '3' },
  })
  const send = async (path: string) => (await ask(product, `POST ${path}`, ann)).body
  for (const [path, passes, type, message] of [
    ['/api/files/speech/stt', 2, 'stt_limit', 'Too many STT requests. Try again later'],
    ['/api/files/usage', 3, 'file_upload_limit', 'Too many file usage requests. Try again later'],
    ['/api/files', 1, 'file_upload_limit', 'Too many file upload requests. Try again later'],
  ] as const) {
    for (let i = 0; i < passes; i++) t.strictSame(await send(path), { ok: true }, `${path} ${i}`)
    t.match(await send(path), { type, message, max: passes, limiter: 'user' })
  }
})

t.test('44. Given fork and duplicate, then one shared bucket of 7/min per user, type file_upload_limit (adapted: with ' +
  'LIMIT_FORK_USER=true, since it is off by default)', async (t) => {
  const plain = await setStage(t)
  const { product } = await setStage(t, { env: { LIMIT_FORK_USER: 'true' } })
  for (let i = 0; i < 8; i++) {
    const line = `POST /api/convos/${i % 2 === 0 ? 'fork' : 'duplicate'}`
    t.equal((await ask(plain.product, line, ann)).status, 200, 'no user limit by default')
    const { status, body } = await ask(product, line, ann)
    t.equal(status, i < 7 ? 200 : 429)
    if (i === 7) t.match(body, { type: 'file_upload_limit', max: 7, limiter: 'user', windowInMinutes: 1 })
  }
  t.equal((await ask(product, 'POST /api/convos/fork', bob)).status, 200)
  product.clock.advance(MINUTE)
  t.equal((await ask(product, 'POST /api/convos/duplicate', ann)).status, 200)
})

t.test('45. Given login refused 429, then (compat) nothing in violations.json; (documented mode) IP score +1 (adapted: ' +
  'documented by default, compat with SCORE_ANONYMOUS=false)', async (t) => {
  for (const [env, expected] of [
    [{}, { logins: { 'ip:203.0.113.1': { total: 1, score: 1 } } }], [{ SCORE_ANONYMOUS: 'false' }, {}],
  ] as const) {
    const { product } = await setStage(t, { env: { LOGIN_MAX: '1', ...env } })
    const login = async () => await ask(product, 'POST /api/auth/login', {}, { email: 'ann@example.com', password: 'no' })
    t.not((await login()).status, 429)
    t.equal((await login()).status, 429)
    product.clock.advance(HOUR / 2)
    await product.close()
    const kept = await totals(product)
    t.strictSame(Object.keys(kept), Object.keys(expected))
    t.match(kept, expected)
  }
})

interface Frame { readonly event: string, readonly data: Record<string, unknown> }

function framesOf (text: string): Frame[] {
  return text.split('\n\n').filter((frame) => frame !== '').map((frame) => {
    const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(frame) ?? []
    return { event, data: JSON.parse(data) as Record<string, unknown> }
  })
}

async function fileOf (t: Test, text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'chat-yaml-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const file = join(dir, 'librechat.yaml')
  await writeFile(file, text)
  return file
}
