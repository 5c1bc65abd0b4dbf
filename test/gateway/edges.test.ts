import { once } from 'node:events'
import { connect } from 'node:net'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { createHmac } from 'node:crypto'
import { freePort, startBackend, startTcpBackend, until } from '../helpers/backends.js'
import { JWT_SECRET, startProduct, type Product, type ProductOptions } from '../helpers/product.js'

const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function tokenOf (id: string): string {
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ id, exp: Math.floor(Date.now() / 1000) + 3600 })}`
  return `${signed}.${createHmac('sha256', JWT_SECRET).update(signed).digest('base64url')}`
}

const bearer = (id: string) => ({ authorization: `Bearer ${tokenOf(id)}`, 'user-agent': BROWSER })

/** A product in front of a backend that notes each request and answers as it is told. */
interface SetUp extends Partial<ProductOptions> { answer?: (req: IncomingMessage, res: ServerResponse) => void }

async function setUp (t: Test, options: SetUp = {}) {
  const reached: string[] = []
  const backend = await startBackend(t, (req, res) => {
    reached.push(`${req.method} ${req.url}`)
    if (options.answer !== undefined) return options.answer(req, res)
    req.resume().on('end', () => res.end('backend'))
  })
  const product = await startProduct(t, { upstream: backend.url, ...options })
  return { backend, product, reached }
}

async function ban (product: Product, subject: { user: string } | { ip: string }) {
  const answer = await fetch(`${product.adminUrl}/api/v1/bans`, {
    method: 'POST',
    headers: { authorization: `Bearer ${product.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...subject, duration: '1h' }),
  })
  if (answer.status !== 201) throw new Error(`no ban: ${answer.status} ${await answer.text()}`)
}

/** Sends bytes, answers all that comes back until the connection ends or `until` is seen. */
function rawExchange (url: string, text: string, until?: RegExp): Promise<string> {
  const { port } = new URL(url)
  return new Promise((resolve, reject) => {
    let seen = ''
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text))
    socket.on('data', (data) => {
      seen += data.toString('latin1')
      if (until?.test(seen) === true) socket.destroy()
    })
    socket.on('close', () => resolve(seen)).on('error', reject)
  })
}

t.test('a request that is refused before its body leaves the body unread, and says so at once', async (t) => {
  const { product, reached } = await setUp(t)
  await ban(product, { user: 'mallory' })
  const head = `POST /api/files HTTP/1.1\r\nhost: a\r\nuser-agent: ${BROWSER}\r\nauthorization: Bearer ${tokenOf('mallory')}\r\ncontent-length: 100000000\r\n\r\n`
  const answer = await rawExchange(product.url, `${head}only a little`, /requestId/)
  t.match(answer, /^HTTP\/1.1 403 /)
  t.match(answer, /connection: close/i)
  t.same(reached, [])
})

t.test('librechat-sse routes answer 200 with frames that echo the ids of the request', async (t) => {
  const { product, reached } = await setUp(t, { policy: 'limiters: { messageIp: { max: 0 } }' })
  const answer = await fetch(`${product.url}/api/ask/openAI`, {
    method: 'POST', headers: { ...bearer('ann'), 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'hello', messageId: 'm1', conversationId: 'c1', parentMessageId: 'p1' }),
  })
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('x-ratelimit-limit'), '0')
  t.ok(answer.headers.get('retry-after'))
  const text = await answer.text()
  t.match(text, /^event: message\ndata: .*"messageId":"m1".*"conversationId":"c1"/)
  t.match(text, /event: error\ndata: .*message_limit/)
  t.same(reached, [])
})

t.test('librechat-sse routes wait no longer than a second for ids that do not come', async (t) => {
  const { product } = await setUp(t, { policy: 'limiters: { messageIp: { max: 0 } }' })
  const head = `POST /api/ask/x HTTP/1.1\r\nhost: a\r\nuser-agent: ${BROWSER}\r\nauthorization: Bearer ${tokenOf('ann')}\r\ncontent-length: 50\r\n\r\n{`
  const started = Date.now()
  t.match(await rawExchange(product.url, head, /event: error/), /^HTTP\/1.1 200 /)
  t.ok(Date.now() - started < 2500)
})

t.test('a banned navigation gets the page; a limited sign-in navigation is sent back to the login page', async (t) => {
  const { product } = await setUp(t, { policy: 'limiters: { loginIp: { max: 0 } }', env: { DOMAIN_CLIENT: 'https://chat.example' } })
  const navigation = { accept: 'text/html,application/xhtml+xml', 'user-agent': BROWSER }
  const oauth = await fetch(`${product.url}/oauth/google`, { headers: navigation, redirect: 'manual' })
  t.equal(oauth.status, 302)
  t.equal(oauth.headers.get('location'), 'https://chat.example/login?redirect=false&error=auth_failed')
  t.equal((await fetch(`${product.url}/oauth/google`)).status, 429, 'a script reads JSON')
  await ban(product, { user: 'ann' })
  const page = await fetch(`${product.url}/c/new`, { headers: { ...navigation, ...bearer('ann') } })
  t.equal(page.status, 403)
  t.match(page.headers.get('content-type'), /text\/html/)
  t.match(await page.text(), /<time datetime=/)
})

t.test('a backend that is down is 502 in the route\'s dialect, for WebSockets too', async (t) => {
  const product = await startProduct(t, { upstream: `http://127.0.0.1:${await freePort()}` })
  const answer = await fetch(`${product.url}/api/convos`)
  t.equal(answer.status, 502)
  t.match(await answer.json(), { type: 'upstream_unreachable', requestId: answer.headers.get('x-request-id') })
  const socket = new WebSocket(product.url.replace('http', 'ws'))
  const [, response] = await once(socket, 'unexpected-response') as [unknown, IncomingMessage]
  t.equal(response.statusCode, 502)
  response.resume()
})

t.test('one upload reaches the backend byte for byte on a route whose checks read the body', async (t) => {
  const bodies: string[] = []
  const { product } = await setUp(t, {
    answer: (req, res) => {
      let body = ''
      req.on('data', (chunk: Buffer) => { body += chunk.toString() }).on('end', () => {
        bodies.push(`${req.headers['content-length']} ${body}`)
        res.end('{}')
      })
    },
  })
  const odd = '{"text" : "hi",  "n": 1.0e2, "text": "twice"}'
  await fetch(`${product.url}/api/agents/chat/x`, { method: 'POST', headers: bearer('ann'), body: odd })
  t.same(bodies, [`${odd.length} ${odd}`])
})

t.test('a body over maxInspectedBody is 413 where a check reads it, and passes elsewhere', async (t) => {
  const { product, reached } = await setUp(t, { policy: 'limits: { maxInspectedBody: 1000B }' })
  const post = (path: string, chunked: boolean) => fetch(product.url + path, {
    method: 'POST', headers: bearer('ann'),
    ...chunked
      ? { body: new Blob(['x'.repeat(2000)]).stream(), duplex: 'half' } as RequestInit
      : { body: 'x'.repeat(2000) },
  })
  for (const chunked of [false, true]) {
    const answer = await post('/api/agents/chat/x', chunked)
    t.equal(answer.status, 413)
    t.match(await answer.json(), { type: 'body_too_large' })
    t.equal((await post('/api/other', chunked)).status, 200)
  }
  t.same(reached, ['POST /api/other', 'POST /api/other'])
})

async function webSocketBackend (t: Test) {
  const backend = await startBackend(t, (_req, res) => res.end())
  const server = new WebSocketServer({ server: backend.server })
  server.on('connection', (socket) => { socket.on('message', (data) => socket.send(data)) })
  t.teardown(() => { server.close() })
  return { backend, server }
}

const openSocket = async (url: string, headers: Record<string, string> = {}) => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket`, { headers })
  await once(socket, 'open')
  return socket
}

t.test('a later ban closes the open WebSocket of its subject, and no other', async (t) => {
  const { backend, server } = await webSocketBackend(t)
  const product = await startProduct(t, { upstream: backend.url })
  const [ann, bob] = [await openSocket(product.url, bearer('ann')), await openSocket(product.url, bearer('bob'))]
  ann.send('hello')
  t.equal(String((await once(ann, 'message'))[0]), 'hello')
  const closed = once(ann, 'close')
  await ban(product, { user: 'ann' })
  await closed
  bob.send('still here')
  t.equal(String((await once(bob, 'message'))[0]), 'still here')
  await t.rejects(openSocket(product.url, bearer('ann')), /403/, 'and a new one is refused')
  t.equal(server.clients.size, 1, 'the backend\'s side is closed too')
  bob.terminate()
})

t.test('limits apply to the handshake', async (t) => {
  const { backend } = await webSocketBackend(t)
  const product = await startProduct(t, {
    upstream: backend.url,
    policy: 'limiters: { ws: { key: ip, max: 1, window: 1m } }\nroutes: [{ match: GET /socket, limit: [ws] }]',
  })
  const first = await openSocket(product.url)
  await t.rejects(openSocket(product.url), /429/)
  first.terminate()
})

t.test('a ban closes the subject\'s open streams within a second, a lift closes nothing', async (t) => {
  const { product } = await setUp(t, {
    answer: (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      const beat = setInterval(() => res.write('data: 1\n\n'), 50)
      res.on('close', () => clearInterval(beat))
    },
  })
  const stream = await fetch(`${product.url}/events`, { headers: bearer('ann') })
  const other = await fetch(`${product.url}/events`, { headers: bearer('bob') })
  const ended = stream.text().then(() => 'ended', () => 'cut')
  const began = performance.now()
  await ban(product, { user: 'ann' })
  t.equal(await ended, 'cut')
  t.ok(performance.now() - began < 1000)
  await product.portcullis.bans.lift('user:ann', { by: 'test' })
  const reader = (other.body as ReadableStream<Uint8Array>).getReader()
  for (let i = 0; i < 3; i++) t.notOk((await reader.read()).done, 'another subject\'s stream lives on')
  await reader.cancel()
})

t.test('only GET with websocket upgrades; anything else is an ordinary request', async (t) => {
  const { product, reached } = await setUp(t)
  const upgrade = (method: string, protocol: string) => rawExchange(
    product.url, `${method} /x HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: ${protocol}\r\ncontent-length: 0\r\n\r\n`, /backend/)
  t.match(await upgrade('GET', 'h2c'), /^HTTP\/1.1 200 /)
  t.match(await upgrade('POST', 'websocket'), /^HTTP\/1.1 200 /)
  t.same(reached, ['GET /x', 'POST /x'])
})

t.test('hostile heads are a 4xx and never a crash', async (t) => {
  const { product, reached } = await setUp(t)
  const raw = (text: string) => rawExchange(product.url, text, /\r\n\r\n/)
  t.match(await raw('GET / HTTP/1.1\r\n\r\n'), /^HTTP\/1.1 400/, 'no Host')
  t.match(await raw('GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'), /^HTTP\/1.1 400/, 'two Hosts')
  t.match(await raw('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'), /^HTTP\/1.1 400/)
  t.match(await raw('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello'), /^HTTP\/1.1 400/)
  t.match(await raw(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`), /^HTTP\/1.1 431/)
  t.match(await raw('CONNECT example.com:443 HTTP/1.1\r\nhost: a\r\n\r\n'), /^(HTTP\/1.1 4|$)/)
  t.match(await raw('TRACE / HTTP/1.1\r\nhost: a\r\n\r\n'), /^HTTP\/1.1 405/)
  t.match(await raw('GET http://a/ok HTTP/1.1\r\nhost: b\r\n\r\n'), /^HTTP\/1.1 200/, 'absolute-form is forwarded')
  t.match(await raw('GET * HTTP/1.1\r\nhost: b\r\n\r\n'), /^HTTP\/1.1 400/)
  t.match(await raw('PROPFIND /dav HTTP/1.1\r\nhost: b\r\n\r\n'), /^HTTP\/1.1 200/, 'any method')
  t.same(reached, ['GET /ok', 'PROPFIND /dav'])
})

t.test('the request id is ours, the client\'s only from a trusted proxy', async (t) => {
  const { product } = await setUp(t)
  const ask = (at: Product) => fetch(at.url, { headers: { 'x-request-id': 'mine' } })
  t.not((await ask(product)).headers.get('x-request-id'), 'mine')
  const { product: trusting } = await setUp(t, { env: { GATEWAY_TRUST_PROXY: 'loopback' } })
  t.equal((await ask(trusting)).headers.get('x-request-id'), 'mine')
})

t.test('close lets an answer in flight end', async (t) => {
  const { product } = await setUp(t, { answer: (_req, res) => { res.writeHead(200).write('first '); setTimeout(() => res.end('last'), 300) } })
  const answer = await fetch(product.url)
  const text = answer.text()
  await product.portcullis.close(5000)
  t.equal(await text, 'first last')
  await t.rejects(fetch(product.url))
})

t.test('a limiter that counts answers refuses the request after the last that counted', async (t) => {
  let status = 200
  const { product, reached } = await setUp(t, {
    answer: (req, res) => { req.resume(); res.writeHead(status).end() },
    policy: 'preset: generic\nlimiters: { failed: { key: ip, max: 2, window: 5m, count: { status: [401] }, violation: logins } }\n' +
      'routes: [{ match: POST /login, limit: [failed] }]',
  })
  const login = async () => (await fetch(`${product.url}/login`, { method: 'POST' })).status
  for (let i = 0; i < 5; i++) t.equal(await login(), 200, 'who signs in correctly is not counted')
  status = 401
  t.same([await login(), await login(), await login()], [401, 401, 429])
  t.equal(reached.length, 7)
})

t.test('a handshake pipelined behind a request that is still being answered ends its own connection, nothing else', async (t) => {
  const { product } = await setUp(t, { answer: (_req, res) => { setTimeout(() => res.end('slow'), 200) } })
  const handshake = 'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'
  await rawExchange(product.url, `GET /slow HTTP/1.1\r\nhost: a\r\n\r\n${handshake}`)
  const malformed = await rawExchange(product.url, handshake.replace('/ws', '/%zz'), /\r\n\r\n/)
  t.match(malformed, /^HTTP\/1.1 400 /)
  t.equal((await fetch(product.url)).status, 200, 'the gateway lives')
})

t.test('a backend that refuses a WebSocket with an impossible status is 502, and the gateway lives', async (t) => {
  const backend = await startTcpBackend(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n'))
  })
  const product = await startProduct(t, { upstream: backend.url })
  await t.rejects(openSocket(product.url), /502/)
  t.equal((await fetch(`${product.adminUrl}/livez`)).status, 200)
})

t.test('a ban that comes while a body is on its way stops the request', async (t) => {
  const { product, reached } = await setUp(t)
  const head = `POST /api/agents/chat/x HTTP/1.1\r\nhost: a\r\nuser-agent: ${BROWSER}\r\n` +
    `authorization: Bearer ${tokenOf('ann')}\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n`
  const { port } = new URL(product.url)
  const socket = connect(Number(port), '127.0.0.1')
  let answer = ''
  socket.on('data', (data) => { answer += data.toString() })
  socket.write(`${head}{"text"`)
  await new Promise((resolve) => setTimeout(resolve, 100))
  await ban(product, { user: 'ann' })
  socket.write(':"hi"}')
  await until(() => answer.includes('requestId'), 5000)
  t.match(answer, /^HTTP\/1.1 403 /)
  t.same(reached, [])
  socket.destroy()
})

t.test('connections that never sent a whole request do not hold the shutdown up', async (t) => {
  const { product } = await setUp(t)
  const { port } = new URL(product.url)
  const silent = connect(Number(port), '127.0.0.1')
  const partial = connect(Number(port), '127.0.0.1', () => partial.write('GET / HTTP/1.1\r\nhost'))
  await Promise.all([once(silent, 'connect'), once(partial, 'connect')])
  await new Promise((resolve) => setTimeout(resolve, 50))
  const began = performance.now()
  await product.portcullis.close(300)
  t.ok(performance.now() - began < 2000)
})

t.test('a body of brackets is not taken apart, and stalls nobody', async (t) => {
  const { product } = await setUp(t)
  const bomb = '['.repeat(1_000_000) + ']'.repeat(1_000_000)
  const began = performance.now()
  const headers = { ...bearer('ann'), 'content-type': 'application/json' }
  t.equal((await fetch(`${product.url}/api/agents/chat/x`, { method: 'POST', headers, body: bomb })).status, 200)
  t.ok(performance.now() - began < 1500)
})
