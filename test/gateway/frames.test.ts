import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer, type RawData } from 'ws'
import { startBackend, until } from '../helpers/backends.js'
import { JWT_SECRET, startProduct, type Product } from '../helpers/product.js'

const POLICY = `
version: 1
preset: generic
bans: { enabled: true, duration: 1h, interval: 3, address: { enabled: false } }
limiters:
  chat: { key: user, max: 4, window: 1m, algorithm: sliding-window, after: content, violation: message_limit, score: 1 }
content:
  default:
    checks:
      - { kind: keywords, list: [forbidden], action: refuse, message: "Please mind your words." }
      - { kind: keywords, list: [jailbreak], action: suspend }
      - { kind: keywords, list: [banme], action: score, score: 3, violation: bad_words }
    suspensions: [5m]
    messages: { blocked: "Silent for {minutes} minutes.", limited: "Slow for {minutes} minutes." }
routes:
  - { match: GET /ws, frames: inspect, prompt: { text: [/text] }, content: default, limit: [chat], reply: cheshire-cat }
`

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function bearer (sub: string) {
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, exp: Math.floor(Date.now() / 1000) + 3600 })}`
  return { authorization: `Bearer ${signed}.${createHmac('sha256', JWT_SECRET).update(signed).digest('base64url')}` }
}

interface Frame { readonly type?: string, readonly text?: string, readonly name?: string, readonly echo?: string }

async function setUp (t: Test, policy = POLICY) {
  const got: Buffer[] = []
  const closes: [number, string][] = []
  const backend = await startBackend(t, (_, response) => { response.end() })
  const server = new WebSocketServer({ server: backend.server })
  server.on('connection', (peer) => {
    peer.on('close', (code: number, reason: Buffer) => { closes.push([code, reason.toString()]) })
    peer.on('message', (data: RawData) => {
      got.push(data as Buffer)
      peer.send(JSON.stringify({ echo: (data as Buffer).toString() }))
    })
  })
  const product = await startProduct(t, { upstream: backend.url, policy })
  const open = async (user: string, path = '/ws') => {
    const socket = new WebSocket(`${product.url.replace('http', 'ws')}${path}`, { headers: bearer(user) })
    t.teardown(() => { socket.terminate() })
    socket.on('error', () => {})
    const closed = new Promise<[number, string]>((resolve) => {
      socket.on('close', (code, reason) => { resolve([code, reason.toString()]) })
    })
    await once(socket, 'open')
    /** What answers this message. */
    const ask = async (message: string | Buffer | object): Promise<Frame> => {
      const answer = once(socket, 'message')
      socket.send(Buffer.isBuffer(message) || typeof message === 'string' ? message : JSON.stringify(message))
      return JSON.parse(String((await answer)[0])) as Frame
    }
    return { socket, closed, ask, say: (text: string) => ask({ text }) }
  }
  return { product, open, got, closes }
}

async function admin (product: Product, method: string, path: string, body?: object): Promise<number> {
  const answer = await fetch(product.adminUrl + path, {
    method,
    headers: { authorization: `Bearer ${product.adminToken}`, ...body && { 'content-type': 'application/json' } },
    ...body && { body: JSON.stringify(body) },
  })
  await answer.arrayBuffer()
  return answer.status
}

t.test('each message is limited and checked by itself, refused in the chat\'s own frames, and the connection stays', async (t) => {
  const { product, open, got } = await setUp(t)
  const ann = await open('ann')
  const bob = await open('bob')
  t.match(await ann.say('hello'), { echo: '{"text":"hello"}' })
  t.match(await ann.say('this is forbidden'), { type: 'chat', text: 'Please mind your words.', content: 'Please mind your words.' })
  t.match(await ann.say('one'), { echo: '{"text":"one"}' })
  t.match(await ann.ask('{"text":  "tw\\u006f", "n": 1.0}'), { echo: '{"text":  "tw\\u006f", "n": 1.0}' }, 'byte for byte')
  t.match(await ann.say('three'), { type: 'chat', text: /too many/i }, 'the refused one counted too')
  t.match(await bob.say('of another person'), { echo: /another/ })
  product.clock.advance(60_001)
  t.match(await ann.say('later'), { echo: /later/ })
  t.equal(got.length, 5)
  t.equal(ann.socket.readyState, WebSocket.OPEN)
  const lines = product.log.lines.filter(({ message }) => message === 'refused')
  t.match(lines, [{ kind: 'content', route: 'GET /ws', subject: 'user:ann' }, { kind: 'limit', rule: 'chat' }])
  t.equal(new Set(lines.map(({ requestId }) => requestId)).size, 2, 'each has an id of its own')
  t.notMatch(JSON.stringify(product.log.lines), /this is forbidden/, 'what was said is not logged')
  const metrics = await (await fetch(`${product.adminUrl}/metrics`)).text()
  t.match(metrics, 'portcullis_requests_total{route="GET /ws",verdict="forwarded",mode="enforce"} 5')
  t.match(metrics, 'portcullis_requests_total{route="GET /ws",verdict="content",mode="enforce"} 1')
  t.match(metrics, 'portcullis_requests_total{route="GET /ws",verdict="limit",mode="enforce"} 1')
})

t.test('a suspension silences every connection of its subject from the next message on, and a lift frees it as soon', async (t) => {
  const { product, open, got } = await setUp(t)
  const [one, two] = [await open('ann'), await open('ann')]
  t.match(await one.say('jailbreak'), { type: 'chat', text: 'Silent for 5 minutes.' })
  product.clock.advance(61_000)
  t.match(await two.say('hello'), { type: 'chat', text: 'Silent for 4 minutes.' })
  t.equal(got.length, 0)
  t.equal(await admin(product, 'DELETE', '/api/v1/suspensions/user:ann'), 204)
  t.match(await two.say('hello'), { echo: /hello/ })
  t.match(await one.say('hello'), { echo: /hello/ })
})

t.test('a ban closes the connections of its subject on both sides with 1008, within a second', async (t) => {
  const { product, open, closes } = await setUp(t)
  const [ann, idle, bob] = [await open('ann'), await open('ann'), await open('bob')]
  t.match(await ann.say('hello'), { echo: /hello/ })
  const startedAt = performance.now()
  t.equal(await admin(product, 'POST', '/api/v1/bans', { user: 'ann', duration: '1h' }), 201)
  for (const { closed } of [ann, idle]) t.match(await closed, [1008, /banned/])
  t.ok(performance.now() - startedAt < 1_000)
  t.ok(await until(() => closes.length === 2))
  t.match(closes, [[1008, /banned/], [1008, /banned/]])
  t.match(await bob.say('hello'), { echo: /hello/ }, 'and no others')
  await t.rejects(open('ann'), /403/)
  await admin(product, 'DELETE', '/api/v1/bans/user:ann')
  t.match(await (await open('ann')).say('hello again'), { echo: /again/ })
})

t.test('whoever earns a ban by a message reads why before he is closed', async (t) => {
  const { open, got, closes } = await setUp(t)
  const ann = await open('ann')
  t.match(await ann.say('banme'), { type: 'chat', text: /content/ })
  t.match(await ann.closed, [1008, /banned/])
  t.ok(await until(() => closes.length === 1))
  t.equal(got.length, 0)
})

t.test('a reload holds from the next message on, on open connections', async (t) => {
  const { product, open } = await setUp(t)
  const ann = await open('ann')
  t.match(await ann.say('nonsense'), { echo: /nonsense/ })
  await product.reload(POLICY.replace('list: [forbidden]', 'list: [nonsense]'))
  t.match(await ann.say('nonsense'), { text: 'Please mind your words.' })
  t.match(await ann.say('forbidden'), { echo: /forbidden/ })
  await product.reload(`${POLICY}exempt: { users: [ann], skipLimits: true }\n`)
  t.match(await ann.say('forbidden'), { echo: /forbidden/ }, 'who is exempt is asked anew')
  await product.reload(POLICY.replace('frames: inspect', 'frames: pass'))
  t.match(await ann.ask('no JSON'), { echo: 'no JSON' })
  await product.reload(POLICY)
  t.match(await ann.say('forbidden'), { text: 'Please mind your words.' })
})

t.test('what does not read the same to everybody is refused; what is no JSON in bytes passes', async (t) => {
  const { open, got } = await setUp(t, POLICY.replace('max: 4', 'max: 1000'))
  const ann = await open('ann')
  const cases: [string | Buffer, string][] = [
    ['forbidden', 'INVALID_JSON'],
    ['', 'INVALID_JSON'],
    ['{"text": "x"', 'INVALID_JSON'],
    ['\ufeff{"text": "x"}', 'INVALID_JSON'],
    ['{"text": "x", "te\\u0078t": "forbidden"}', 'DUPLICATE_KEYS'],
    [`${'['.repeat(100)}${']'.repeat(100)}`, 'TOO_DEEP'],
    [Buffer.from('{"text": "x", "text": "forbidden"}'), 'DUPLICATE_KEYS'],
    // What begins like JSON might be read as such by somebody: Python takes NaN, and guesses UTF-32.
    [Buffer.from('{"text": "forbidden", "x": NaN}'), 'INVALID_JSON'],
    [Buffer.from('{"text": "forbidden"} and more'), 'INVALID_JSON'],
    [Buffer.from([...'{"text": "forbidden"}'].flatMap((c) => [c.charCodeAt(0), 0, 0, 0])), 'INVALID_JSON'],
    [Buffer.from('{['), 'INVALID_JSON'],
  ]
  for (const [message, name] of cases) t.match(await ann.ask(message), { type: 'error', name }, String(message).slice(0, 40))
  t.equal(got.length, 0)
  const hidden = '{"text": "forbidden"}'
  const disguises = [
    Buffer.from(hidden), Buffer.from(` \n${hidden}\t`), Buffer.from(`\ufeff${hidden}`),
    Buffer.from(hidden, 'utf16le'), Buffer.from(`\ufeff${hidden}`, 'utf16le'),
    Buffer.from(hidden, 'utf16le').swap16(), Buffer.from(`\ufeff${hidden}`, 'utf16le').swap16(),
  ]
  for (const bytes of disguises) t.match(await ann.ask(bytes), { type: 'chat', text: 'Please mind your words.' }, bytes.toString('latin1'))
  t.equal(got.length, 0)
  const sounds = [Buffer.from([0, 1, 2, 255]), Buffer.from('no json'), Buffer.alloc(0)]
  for (const bytes of sounds) {
    await ann.ask(bytes)
    t.ok(got.at(-1)?.equals(bytes), bytes.toString('hex'))
  }
})

t.test('whatever is in it, a frame is a message: it counts, and nobody who is silenced sends it', async (t) => {
  const { open, got } = await setUp(t)
  const ann = await open('ann')
  const sound = Buffer.from([0, 1, 2, 255])
  for (let i = 0; i < 4; i++) await ann.ask(sound)
  t.equal(got.length, 4)
  t.match(await ann.ask(sound), { type: 'chat', text: /too many/i }, 'the fifth')
  const bob = await open('bob')
  for (let i = 0; i < 4; i++) t.match(await bob.ask('no JSON'), { type: 'error', name: 'INVALID_JSON' })
  t.match(await bob.say('hello'), { type: 'chat', text: /too many/i }, 'what was no JSON has counted')
  const eve = await open('eve')
  t.match(await eve.say('jailbreak'), { type: 'chat', text: 'Silent for 5 minutes.' })
  for (const frame of [sound, 'no JSON']) t.match(await eve.ask(frame), { type: 'chat', text: 'Silent for 5 minutes.' })
  t.equal(got.length, 4)
})

t.test('observe mode notes what it would refuse, and forwards it', async (t) => {
  const { product, open, got } = await setUp(t, `mode: observe${POLICY}`)
  const ann = await open('ann')
  for (const text of ['forbidden', 'jailbreak', 'a', 'b', 'c']) t.match(await ann.say(text), { echo: new RegExp(text) })
  t.match(await ann.ask('no JSON'), { echo: 'no JSON' })
  t.match(await ann.ask('{"text": 1, "text": "forbidden"}'), { echo: /forbidden/ })
  t.equal(got.length, 7)
  const kinds = product.log.lines.filter(({ message }) => message === 'would have been refused').map(({ kind, rule }) => `${String(kind)} ${String(rule)}`)
  t.ok(kinds.some((kind) => kind.startsWith('content')), kinds.join())
  t.ok(kinds.includes('limit chat'), kinds.join())
  t.same(kinds.filter((kind) => kind.startsWith('fault')), ['fault invalid_json', 'fault duplicate_keys'])
})

t.test('a shutdown closes with 1001, and a message too large with 1009', async (t) => {
  const { product, open, closes } = await setUp(t, `${POLICY}limits: { maxInspectedBody: 10KiB }\n`)
  const [ann, bob] = [await open('ann'), await open('bob')]
  bob.socket.send(JSON.stringify({ text: 'x'.repeat(11 * 1024) }))
  t.match(await bob.closed, [1009])
  t.match(await ann.say('hello'), { echo: /hello/ })
  await product.close()
  t.match(await ann.closed, [1001])
  t.ok(await until(() => closes.length === 2))
  t.match(closes, [[1009], [1001]])
})

t.test('a defect of ours costs the one message that met it', async (t) => {
  const { product, open, got } = await setUp(t)
  const ann = await open('ann')
  const { info } = product.log
  Object.assign(product.log, { info: () => { throw new Error('the disk is full') } })
  t.match(await ann.say('forbidden'), { type: 'error', name: 'INTERNAL' })
  Object.assign(product.log, { info })
  t.match(product.log.lines.at(-1), { level: 'error', err: { message: 'the disk is full' } })
  t.match(await ann.say('hello'), { echo: /hello/ })
  t.equal(got.length, 1)
})

t.test('what a message reserved goes back where a defect ends it', async (t) => {
  const { product, open, got } = await setUp(t, `
version: 1
preset: generic
limiters:
  watched: { key: user, max: 0, window: 1m, mode: observe }
  budget: { key: user, unit: tokens, max: 1500, window: 1h, reserve: { maxTokens: 1000 } }
routes: [{ match: GET /ws, frames: inspect, prompt: { text: [/text] }, limit: [watched, budget], reply: cheshire-cat }]
`)
  const ann = await open('ann')
  const { info } = product.log
  Object.assign(product.log, { info: () => { throw new Error('the disk is full') } })
  for (let n = 0; n < 3; n++) t.match(await ann.say('hello'), { type: 'error', name: 'INTERNAL' })
  Object.assign(product.log, { info })
  t.match(await ann.say('hello'), { echo: /hello/ })
  t.match(await ann.say('hello'), { type: 'chat' }, 'no answer to a frame tells what it cost')
  t.equal(got.length, 1)
})

t.test('a message is counted by the model that it names', async (t) => {
  const { open } = await setUp(t, `
version: 1
preset: generic
tokens: { default: { model: [/model] } }
limiters: { perModel: { key: model, max: 1, window: 1h } }
routes: [{ match: GET /ws, frames: inspect, limit: [perModel], reply: cheshire-cat }]
`)
  const ann = await open('ann')
  for (const model of ['small', 'large']) t.match(await ann.ask({ model }), { echo: RegExp(model) })
  for (const model of ['Large', 'small']) t.match(await ann.ask({ model }), { text: /too many/i })
})

t.test('other WebSockets pass as bytes, whatever they say', async (t) => {
  const { product, open } = await setUp(t)
  const ann = await open('ann', '/other')
  t.match(await ann.say('forbidden jailbreak banme'), { echo: /banme/ })
  t.match(await ann.ask('no JSON'), { echo: 'no JSON' })
  t.equal(ann.socket.extensions, '')
  await admin(product, 'POST', '/api/v1/bans', { user: 'ann', duration: '1h' })
  t.match(await ann.closed, [1006], 'and are cut by a ban')
})

t.test('a request that is no handshake is a message like any other', async (t) => {
  const { product, got } = await setUp(t)
  const ask = (user: string, body?: string) => httpAnswer(product, '/ws', { headers: bearer(user), body })
  for (let i = 0; i < 4; i++) t.equal(await ask('ann'), '', 'forwarded')
  t.match(await ask('ann'), /too many/i, 'the fifth')
  t.match(await ask('bob', '{"text": "this is forbidden"}'), 'Please mind your words.')
  t.match(await ask('bob', '{"text": "jailbreak"}'), 'Silent for 5 minutes.')
  t.match(await ask('bob'), 'Silent for 5 minutes.')
  t.equal(got.length, 0)
})

t.test('where a spelling leads to another entry, too, that one asks its own of the handshake and of no frame', async (t) => {
  const { product, open, got } = await setUp(t, POLICY
    .replace('limiters:', 'limiters:\n  pages: { key: user, max: 2, window: 1m }')
    .replace('max: 4', 'max: 3')
    .replace('content:', 'content:\n  strict: { checks: [ { kind: keywords, list: [hello], action: refuse } ] }')
    .replace('routes:', 'routes:\n  - { match: "* /api/x", limit: [pages], prompt: { text: [/text] }, content: strict }')
    .replace('/ws,', '/ws/:user,'))
  const path = '/ws/..%2F..%2Fapi%2Fx'
  const ann = await open('ann', path)
  for (const text of ['hello', 'one', 'two']) t.match(await ann.say(text), { echo: new RegExp(text) })
  t.match(await ann.say('three'), { text: /too many/i }, 'frames are counted by the limiter of frames')
  await open('ann', path)
  await t.rejects(open('ann', path), /429/, 'handshakes by the other one')
  await t.rejects(open('ann', '/api/x'), /429/)
  const say = (text: string) => httpAnswer(product, path, { headers: bearer('bob'), body: JSON.stringify({ text }) })
  t.match(await say('hello'), /not accepted/, 'a request by both')
  t.match(await say('forbidden'), 'Please mind your words.')
  t.equal(got.length, 3)
})

/** Of a GET that is no handshake, with a body or without; fetch would neither send one nor leave the path alone. */
async function httpAnswer (
  product: Product, path: string, { headers, body }: { headers: Record<string, string>, body?: string | undefined }
): Promise<string> {
  const { hostname, port } = new URL(product.url)
  const json = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const request = httpRequest({ hostname, port, path, headers: { ...headers, ...json }, agent: false })
  request.end(body)
  const [response] = await once(request, 'response') as [IncomingMessage]
  return await text(response)
}
