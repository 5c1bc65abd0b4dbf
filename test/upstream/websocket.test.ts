import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer, type RawData } from 'ws'
import { freePort, startBackend, startTcpBackend, until, type Backend } from '../helpers/backends.js'
import { rawClient } from '../helpers/raw-client.js'
import { startHarness } from './harness.js'

const HANDSHAKE = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Backend: 1\r\n\r\n'
const fixtures = join(import.meta.dirname, 'fixtures')

interface Chat extends Backend { readonly requests: IncomingMessage[], readonly peers: ReadonlySet<WebSocket> }

/** A backend that sends every message back. */
async function startChat (t: Test, options: Parameters<typeof startBackend>[2] = {}): Promise<Chat> {
  const requests: IncomingMessage[] = []
  const backend = await startBackend(t, (_, response) => { response.end() }, options)
  const chat = new WebSocketServer({
    server: backend.server,
    perMessageDeflate: true,
    handleProtocols: (names) => [...names][0] ?? false,
  })
  chat.on('connection', (peer: WebSocket, request: IncomingMessage) => {
    requests.push(request)
    peer.on('message', (data: RawData, binary: boolean) => { peer.send(data, { binary }) })
  })
  return { ...backend, requests, peers: chat.clients }
}

async function connect (t: Test, port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat?x=1`)
  t.teardown(() => { socket.terminate() })
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

t.test('messages of any size pass both ways, with compression and subprotocol as agreed', async (t) => {
  const chat = await startChat(t)
  const { port, seen } = await startHarness(t, chat.url, { own: [['X-Request-Id', 'ours']] })
  const client = new WebSocket(`ws://127.0.0.1:${port}/chat?x=1`, ['first', 'second'], { perMessageDeflate: true })
  const [[handshake]] = await Promise.all([once(client, 'upgrade') as Promise<[IncomingMessage]>, once(client, 'open')])
  t.equal(handshake.headers['x-request-id'], 'ours')
  t.equal(client.protocol, 'first')
  t.match(client.extensions, 'permessage-deflate')
  t.match(chat.requests[0], { url: '/chat?x=1', headers: { 'x-forwarded-for': '203.0.113.7', upgrade: 'websocket', connection: 'Upgrade' } })
  const big = randomBytes(8 * 1024 * 1024)
  for (const message of ['hello', 'ü'.repeat(100_000), big]) {
    client.send(message)
    const [echo] = await once(client, 'message') as [Buffer]
    t.ok(echo.equals(Buffer.from(message)), `${message.length}`)
  }
  client.close(4001, 'bye')
  const [code, reason] = await once(client, 'close') as [number, Buffer]
  t.same([code, reason.toString()], [4001, 'bye'])
  t.ok(await until(() => seen[0]?.ends.length === 1))
  t.match(seen[0]?.head, [[101, { upgrade: 'websocket' }]])
  t.same(seen[0]?.ends, ['complete'])
})

t.test('the backend is reached by TLS and by unix socket', async (t) => {
  const tls = { key: readFileSync(join(fixtures, 'key.pem'), 'utf8'), cert: readFileSync(join(fixtures, 'cert.pem'), 'utf8') }
  const secure = await startChat(t, { tls })
  const unix = await startChat(t, { unix: true })
  const trusted = await startHarness(t, secure.url, { rules: { ca: tls.cert } })
  const untrusted = await startHarness(t, secure.url)
  const local = await startHarness(t, unix.url)
  for (const { port } of [trusted, local]) {
    const client = await connect(t, port)
    client.send('x')
    t.equal(String((await once(client, 'message'))[0]), 'x')
    client.terminate()
  }
  await t.rejects(connect(t, untrusted.port))
  t.same(untrusted.faults, ['UPSTREAM_UNREACHABLE'])
})

t.test('bytes that follow a handshake at once are not lost, on either side', async (t) => {
  let received = ''
  const backend = await startTcpBackend(t, (socket) => {
    socket.once('data', () => {
      socket.write(`${SWITCH}first words of the backend`)
      socket.on('data', (chunk: Buffer) => { received += chunk.toString() })
    })
  })
  const { port } = await startHarness(t, backend.url)
  const client = await rawClient(t, port, `${HANDSHAKE}Content-Length: 5\r\n\r\nfirst words of the client`)
  t.ok(await client.sees('X-Backend: 1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst words of the backend'))
  t.ok(await until(() => received === 'first words of the client'))
})

t.test('a refusal of the backend is the client\'s answer: status, headers and body', async (t) => {
  const backend = await startTcpBackend(t, (socket) => {
    socket.once('data', (head: Buffer) => {
      t.notMatch(head.toString().toLowerCase(), 'content-length')
      socket.write('HTTP/1.1 403 Not You\r\nX-Why: because\r\nX-Request-Id: theirs\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno \r\n')
      setTimeout(() => { socket.end('5\r\nentry\r\n0\r\n\r\n') }, 30)
    })
  })
  const { port, seen } = await startHarness(t, backend.url, { own: [['X-Request-Id', 'ours']] })
  const client = await rawClient(t, port, `${HANDSHAKE}Content-Length: 5\r\n\r\n`)
  const text = await client.closed()
  t.match(text, /^HTTP\/1\.1 403 Not You\r\nX-Why: because\r\nX-Request-Id: ours\r\n/)
  t.match(text, /3\r\nno \r\n5\r\nentry\r\n0\r\n\r\n$/)
  t.same([seen[0]?.head[0]?.[0], seen[0]?.ends], [403, ['complete']])
})

t.test('faults before an answer are told once', async (t) => {
  const fault = async (url: string, rules: object = {}): Promise<string[]> => {
    const { port, faults, seen } = await startHarness(t, url, { rules })
    const client = await rawClient(t, port, `${HANDSHAKE}\r\n`)
    t.match(await client.closed(), /^HTTP\/1\.1 502/)
    t.same(seen[0]?.ends, ['failed'])
    return faults
  }
  const speaking = async (then: (socket: Socket) => void): Promise<string> => (await startTcpBackend(t, (socket) => { socket.once('data', () => { then(socket) }) })).url
  t.same(await fault(`http://127.0.0.1:${await freePort()}`), ['UPSTREAM_UNREACHABLE'])
  t.same(await fault('http://no-such-host.invalid'), ['UPSTREAM_UNREACHABLE'])
  t.same(await fault(await speaking((socket) => { socket.destroy() })), ['UPSTREAM_BROKEN'])
  t.same(await fault(await speaking((socket) => { socket.write('garbage\r\n\r\n') })), ['UPSTREAM_BROKEN'])
  t.same(await fault(await speaking((socket) => { socket.write('HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n') })), ['UPSTREAM_BROKEN'], 'another protocol')
  t.same(await fault(await speaking(() => {}), { connectTimeoutMs: 100, responseTimeoutMs: 100 }), ['UPSTREAM_TIMEOUT'])
})

t.test('whoever leaves, the other side is let go', async (t) => {
  const chat = await startChat(t)
  const { port, seen } = await startHarness(t, chat.url)
  const client = await connect(t, port)
  client.terminate()
  t.ok(await until(() => chat.peers.size === 0 && chat.sockets.size === 0), 'the backend, when the client goes')
  const other = await connect(t, port)
  const closed = once(other, 'close')
  for (const peer of chat.peers) peer.terminate()
  t.equal((await closed)[0], 1006, 'the client, when the backend goes')
  t.ok(await until(() => seen.every(({ ends }) => ends.length === 1)))

  let dialled: Socket | undefined
  const silent = await startTcpBackend(t, (socket) => { dialled = socket.on('data', () => {}) })
  const waiting = await startHarness(t, silent.url)
  const early = await rawClient(t, waiting.port, `${HANDSHAKE}\r\n`)
  t.ok(await until(() => dialled !== undefined))
  early.socket.destroy()
  t.ok(await until(() => dialled?.destroyed === true || dialled?.readableEnded === true), 'a dial, when the client goes before its answer')
  t.same(waiting.seen[0]?.ends, ['aborted'])
  t.same(waiting.faults, [])
})

t.test('an end in one direction leaves the other open', async (t) => {
  let backendSide: Socket | undefined
  let ended = false
  const backend = await startTcpBackend(t, (socket) => {
    socket.once('data', () => {
      backendSide = socket
      socket.write(SWITCH)
      socket.on('end', () => { ended = true }).resume()
    })
  })
  const { port, seen } = await startHarness(t, backend.url)
  const client = await rawClient(t, port, `${HANDSHAKE}\r\n`)
  t.ok(await client.sees('101'))
  client.socket.end('last words')
  t.ok(await until(() => ended))
  backendSide?.write('still here')
  t.ok(await client.sees('still here'))
  backendSide?.end()
  await client.closed()
  t.ok(await until(() => seen[0]?.ends.length === 1))
  t.same(seen[0]?.ends, ['complete'])
})

t.test('a peer that does not read stops the other', async (t) => {
  let written = 0
  const backend = await startTcpBackend(t, (socket) => {
    socket.once('data', () => {
      socket.write(SWITCH)
      const more = (): void => { while (written < 250 && socket.write(Buffer.alloc(1024 * 1024))) written++ }
      socket.on('drain', () => { written++; more() })
      more()
    })
  })
  const { port } = await startHarness(t, backend.url)
  const client = await rawClient(t, port)
  client.socket.pause()
  client.socket.write(`${HANDSHAKE}\r\n`)
  await until(() => written > 40, 600)
  t.ok(written > 0 && written < 40, `after ${written} MiB of 250`)
  client.socket.resume()
  t.ok(await until(() => written >= 250, 20_000), 'and flows on')
})
