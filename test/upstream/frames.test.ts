import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer, type ClientOptions, type RawData } from 'ws'
import type { FrameCheck, Message } from '../../src/upstream/frame-contract.js'
import { startBackend, startTcpBackend, until, type Backend } from '../helpers/backends.js'
import { rawClient, type RawClient } from '../helpers/raw-client.js'
import { frameBytes, framesIn } from './frame-bytes.js'
import { watchLoop } from './watch-loop.js'
import { startHarness } from './harness.js'

const HANDSHAKE = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const DEFLATE = 'permessage-deflate'
const MIB = 1024 * 1024

interface Got { readonly data: string, readonly binary: boolean }

interface Chat extends Backend {
  readonly requests: IncomingMessage[]
  readonly peers: ReadonlySet<WebSocket>
  readonly got: Got[]
  readonly closes: [number, string][]
  readonly pings: string[]
}

/** A backend that notes what it gets and sends it back. */
async function startChat (t: Test, { compression = true, echo = true } = {}): Promise<Chat> {
  const requests: IncomingMessage[] = []
  const got: Got[] = []
  const closes: [number, string][] = []
  const pings: string[] = []
  const backend = await startBackend(t, (_, response) => { response.end() })
  const server = new WebSocketServer({
    server: backend.server, perMessageDeflate: compression, handleProtocols: (names) => [...names][1] ?? false,
  })
  server.on('connection', (peer: WebSocket, request: IncomingMessage) => {
    requests.push(request)
    peer.on('error', () => {})
    peer.on('ping', (data: Buffer) => { pings.push(data.toString()) })
    peer.on('close', (code: number, reason: Buffer) => { closes.push([code, reason.toString()]) })
    peer.on('message', (data: RawData, binary: boolean) => {
      got.push({ data: (data as Buffer).toString('latin1'), binary })
      if (echo) peer.send(data, { binary })
    })
  })
  return { ...backend, requests, peers: server.clients, got, closes, pings }
}

interface ConnectOptions extends ClientOptions { readonly protocols?: string[] }

async function connect (t: Test, port: number, options: ConnectOptions = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`, options.protocols ?? [], options)
  t.teardown(() => { socket.terminate() })
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

function texts (socket: WebSocket): string[] {
  const list: string[] = []
  socket.on('message', (data: RawData) => { list.push((data as Buffer).toString()) })
  return list
}

const passes: FrameCheck = () => undefined
/** Against everything that holds `no`. */
const refusesNo: FrameCheck = ({ data }) => data.includes('no') ? { replies: [`refused ${data.toString()}`] } : undefined

/** A client of raw frames and what it got behind the 101. */
async function framer (t: Test, port: number, fields = ''): Promise<RawClient & { frames (): ReturnType<typeof framesIn> }> {
  const client = await rawClient(t, port, `${HANDSHAKE}${fields}\r\n`)
  await client.sees('\r\n\r\n')
  const frames = () => {
    const text = client.text()
    return framesIn(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1'))
  }
  return { ...client, frames }
}

t.test('a compressed message is bounded by what it unpacks to, and a bomb is cheap', async (t) => {
  const chat = await startChat(t)
  const { port } = await startHarness(t, chat.url, { check: passes, maxBytes: 100_000 })
  const client = await connect(t, port)
  client.send('x'.repeat(100_000))
  t.ok(await until(() => chat.got.length === 1))
  // The first test of all: the buffers of others would be let go meanwhile.
  const bomb = Buffer.alloc(64 * MIB)
  const { arrayBuffers: before } = process.memoryUsage()
  let most = 0
  const watch = setInterval(() => { most = Math.max(most, process.memoryUsage().arrayBuffers - before) }, 1)
  client.send(bomb)
  t.equal((await once(client, 'close'))[0], 1009)
  clearInterval(watch)
  t.ok(most < 20 * MIB, `${Math.round(most / MIB)} MiB`)
  const garbage = await framer(t, port, `Sec-WebSocket-Extensions: ${DEFLATE}\r\n`)
  garbage.socket.write(frameBytes(Buffer.from([0xff, 0xff, 0xff]), { rsv: 4 }))
  await garbage.closed()
  t.equal(garbage.frames().at(-1)?.payload.readUInt16BE(0), 1007, 'what cannot be unpacked')
})

t.test('a message that is begun and not finished is not waited for for ever', async (t) => {
  const chat = await startChat(t)
  const { port } = await startHarness(t, chat.url, { check: passes, maxBytes: MIB, deadlineMs: 200 })
  for (const begun of [frameBytes('a fragment', { fin: false }), frameBytes('half').subarray(0, 8), Buffer.from([0x81])]) {
    const idle = await framer(t, port)
    idle.socket.write(frameBytes('whole'))
    await new Promise((resolve) => { setTimeout(resolve, 250) })
    idle.socket.write(begun)
    await idle.closed()
    t.equal(idle.frames().at(-1)?.payload.readUInt16BE(0), 1008)
  }
  t.equal(chat.got.length, 3, 'who only says nothing may stay')
})

t.test('a message goes on as what replaces it, in its place and of its kind, however it came', async (t) => {
  const replaces: FrameCheck = ({ data, binary }) => {
    if (!data.includes('bad')) return undefined
    const judged = { replace: Buffer.from(`${binary ? 'binary' : 'text'} ü ${'x'.repeat(data.length > 70_000 ? 200_000 : 0)}`) }
    return data.includes('late') ? new Promise((resolve) => { setTimeout(() => { resolve(judged) }, 20) }) : judged
  }
  for (const compression of [true, false]) {
    const chat = await startChat(t, { compression })
    const { port } = await startHarness(t, chat.url, { check: replaces })
    const client = await connect(t, port, { perMessageDeflate: compression })
    const long = 'x'.repeat(80_000)
    client.send('one')
    client.send('bad, late')
    client.send('two')
    client.ping('between')
    client.send(Buffer.from('bad'))
    client.send('b', { fin: false })
    client.send('ad', { fin: false })
    client.send(long, { fin: true })
    client.send('three')
    t.ok(await until(() => chat.got.length === 6, 3_000))
    const utf8 = (text: string) => Buffer.from(text).toString('latin1')
    t.same(chat.got, [
      { data: 'one', binary: false }, { data: utf8('text ü '), binary: false }, { data: 'two', binary: false },
      { data: utf8('binary ü '), binary: true }, { data: utf8(`text ü ${'x'.repeat(200_000)}`), binary: false }, { data: 'three', binary: false },
    ])
    t.same(chat.pings, ['between'])
    client.close()
    await once(client, 'close')
  }
})

t.test('messages pass in both directions byte for byte, with and without compression, and subprotocols as agreed', async (t) => {
  for (const compression of [true, false]) {
    const chat = await startChat(t, { compression })
    const seen: Message[] = []
    const { port } = await startHarness(t, chat.url, { check: (message) => { seen.push(message); return undefined } })
    for (const offered of [true, false]) {
      const client = await connect(t, port, { perMessageDeflate: offered, protocols: ['first', 'second'] })
      t.equal(client.protocol, 'second')
      t.equal(client.extensions, compression && offered ? 'permessage-deflate' : '', 'as the backend chose')
      for (const message of ['hello', '', '{"text": "ü \\u0041"}', 'ü'.repeat(100_000), randomBytes(500_000)]) {
        client.send(message)
        const [echo, binary] = await once(client, 'message') as [Buffer, boolean]
        t.ok(echo.equals(Buffer.from(message)), `${message.length}`)
        t.equal(binary, Buffer.isBuffer(message))
        t.match(seen.pop(), { data: Buffer.from(message), binary })
      }
      client.close(4001, 'bye')
      const [code, reason] = await once(client, 'close') as [number, Buffer]
      t.same([code, reason.toString()], [4001, 'bye'])
    }
    t.ok(await until(() => chat.closes.length === 2))
    t.same(chat.closes, [[4001, 'bye'], [4001, 'bye']])
  }
})

t.test('a refused message is answered and does not reach the backend; the connection stays', async (t) => {
  const chat = await startChat(t)
  const { port, seen } = await startHarness(t, chat.url, { check: refusesNo })
  const client = await connect(t, port)
  const got = texts(client)
  for (const message of ['one', 'no two', 'three', 'no four', 'five']) client.send(message)
  t.ok(await until(() => got.length === 5))
  t.same(chat.got.map(({ data }) => data), ['one', 'three', 'five'])
  t.same([...got].sort(), ['five', 'one', 'refused no four', 'refused no two', 'three'])
  t.equal(client.readyState, WebSocket.OPEN)
  client.close()
  t.equal((await once(client, 'close'))[0], 1005, 'an end without a code is passed on as such')
  t.ok(await until(() => seen[0]?.ends.length === 1 && chat.closes.length === 1))
  t.same([chat.closes, seen[0]?.ends], [[[1005, '']], ['complete']])
})

t.test('messages stay in order while a judgement waits, and nothing more is read meanwhile', async (t) => {
  const chat = await startChat(t)
  let asked = 0
  let release = () => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  const check: FrameCheck = ({ data }) => {
    asked++
    if (data.toString() === 'wait') return held.then(() => undefined)
    return data.toString() === 'later' ? sleep(20).then(() => undefined) : undefined
  }
  const { port } = await startHarness(t, chat.url, { check })
  const client = await connect(t, port, { perMessageDeflate: false })
  const got = texts(client)
  client.send('wait')
  const big = 'x'.repeat(500_000)
  for (let i = 0; i < 40; i++) client.send(big)
  client.send('later')
  client.send('last')
  await sleep(100)
  t.same([asked, chat.got.length], [1, 0])
  t.ok(client.bufferedAmount > 5 * MIB, `the client keeps ${client.bufferedAmount} bytes`)
  for (const peer of chat.peers) peer.send('the other direction flows')
  t.ok(await until(() => got.length === 1))
  release()
  t.ok(await until(() => chat.got.length === 43, 10_000))
  t.same(chat.got.map(({ data }) => data.length > 10 ? 'big' : data), ['wait', ...Array<string>(40).fill('big'), 'later', 'last'])
})

t.test('fragments, also compressed ones, are one message; pings and pongs pass between them', async (t) => {
  const chat = await startChat(t)
  const { port } = await startHarness(t, chat.url, { check: refusesNo })
  const client = await connect(t, port)
  const got = texts(client)
  let pongs = ''
  client.on('pong', (data: Buffer) => { pongs += data.toString() })
  for (const [first, last] of [['a n', 'o'], ['yes ', 'yes']]) {
    client.send(first ?? '', { fin: false })
    client.ping('p')
    client.send(last ?? '', { fin: true })
  }
  t.ok(await until(() => got.length === 2 && pongs === 'pp'))
  t.same(got.sort(), ['refused a no', 'yes yes'])
  t.same([chat.got.map(({ data }) => data), chat.pings], [['yes yes'], ['p', 'p']])
  let pong = ''
  for (const peer of chat.peers) peer.on('pong', (data: Buffer) => { pong = data.toString() }).ping('from the backend')
  t.ok(await until(() => pong === 'from the backend'))
})

t.test('close codes and reasons pass from the backend too, and the loss of either side ends the other', async (t) => {
  const chat = await startChat(t)
  const { port, seen } = await startHarness(t, chat.url, { check: passes })
  const ended = async (then: (peer: WebSocket) => void) => {
    const client = await connect(t, port)
    const closed = once(client, 'close')
    for (const peer of chat.peers) if (peer.readyState === WebSocket.OPEN) then(peer)
    const [code, reason] = await closed as [number, Buffer]
    return [code, reason.toString()]
  }
  t.same(await ended((peer) => { peer.close(4321, 'enough') }), [4321, 'enough'])
  t.same(await ended((peer) => { peer.close() }), [1005, ''])
  t.same(await ended((peer) => { peer.terminate() }), [1006, ''])
  const client = await connect(t, port)
  client.terminate()
  t.ok(await until(() => chat.peers.size === 0 && chat.sockets.size === 0), 'the backend, when the client goes')
  t.ok(await until(() => seen.length === 4 && seen.every(({ ends }) => ends.length === 1)))
})

t.test('what breaks the protocol closes both sides with the code for it, and is not forwarded', async (t) => {
  const chat = await startChat(t)
  const { port, seen } = await startHarness(t, chat.url, { check: passes, maxBytes: 1000 })
  const deep = Buffer.from('ok')
  const cases: [string, Buffer, number][] = [
    ['no mask', frameBytes('x', { mask: null }), 1002],
    ['reserved bits', frameBytes('x', { rsv: 2 }), 1002],
    ['compression that was not agreed on', frameBytes('x', { rsv: 4 }), 1002],
    ['a reserved opcode', frameBytes('x', { opcode: 3 }), 1002],
    ['a reserved control opcode', frameBytes('x', { opcode: 11 }), 1002],
    ['a long ping', frameBytes('x'.repeat(126), { opcode: 9 }), 1002],
    ['a fragmented ping', frameBytes('x', { opcode: 9, fin: false }), 1002],
    ['a continuation of nothing', frameBytes('x', { opcode: 0 }), 1002],
    ['a message within a message', Buffer.concat([frameBytes('x', { fin: false }), frameBytes('y')]), 1002],
    ['a close code that may not be sent', frameBytes(Buffer.from([0x03, 0xed]), { opcode: 8 }), 1002],
    ['a close code out of range', frameBytes(Buffer.from([0x00, 0x01]), { opcode: 8 }), 1002],
    ['half a close code', frameBytes('x', { opcode: 8 }), 1002],
    ['a reason that is no UTF-8', frameBytes(Buffer.from([0x03, 0xe8, 0xff]), { opcode: 8 }), 1007],
    ['a text that is no UTF-8', frameBytes(Buffer.from([0x7b, 0xc3, 0x28, 0x7d])), 1007],
    ['half a character at the end', frameBytes(Buffer.from([0xc3])), 1007],
    ['a message that is too large', frameBytes('x'.repeat(1001)), 1009],
    ['its announcement alone', frameBytes('x', { length: 1n << 33n }), 1009],
    ['a length beyond all numbers', frameBytes('x', { length: (1n << 63n) - 1n }), 1009],
    ['the largest length', frameBytes('x', { length: (1n << 64n) - 1n }), 1009],
    ['too large in fragments', Buffer.concat([frameBytes('x'.repeat(600), { fin: false }), frameBytes('x'.repeat(600), { opcode: 0 })]), 1009],
    ['endless empty fragments', Buffer.concat([frameBytes('', { fin: false }), ...Array<Buffer>(20_000).fill(frameBytes('', { opcode: 0, fin: false }))]), 1008],
  ]
  for (const [name, bytes, code] of cases) {
    const before = chat.got.length
    const client = await framer(t, port)
    client.socket.write(Buffer.concat([frameBytes(deep), bytes, frameBytes('never')]))
    await client.closed()
    const last = client.frames().at(-1)
    t.same([last?.first, last?.payload.readUInt16BE(0)], [0x88, code], name)
    t.ok(await until(() => chat.closes.at(-1)?.[0] === code && chat.peers.size === 0), `${name}, at the backend`)
    t.same(chat.got.slice(before), [{ data: 'ok', binary: false }], `${name}: only what came before it`)
    client.socket.destroy()
  }
  t.equal(seen.length, cases.length)
})

t.test('only compression is offered, and a backend that chooses anything else is broken', async (t) => {
  const offers: (string | undefined)[] = []
  let answer = ''
  const backend = await startTcpBackend(t, (socket) => {
    socket.once('data', (head: Buffer) => {
      offers.push(/sec-websocket-extensions: (.*)\r/i.exec(head.toString())?.[1])
      socket.write(SWITCH.replace('\r\n\r\n', `\r\n${answer}\r\n`))
    })
  })
  const { port, faults } = await startHarness(t, backend.url, { check: passes })
  const ask = async (offer: string, chosen: string) => {
    answer = chosen
    const client = await framer(t, port, offer)
    client.socket.destroy()
    return /^HTTP\/1\.1 (\d+)/.exec(client.text())?.[1]
  }
  const field = 'Sec-WebSocket-Extensions: '
  t.equal(await ask(`${field}x-own; a=1, ${DEFLATE}; client_max_window_bits\r\n${field}bbf-usp-protocol\r\n`, ''), '101')
  t.equal(await ask(`${field}x-own, "broken\r\n`, ''), '101')
  t.equal(await ask('', ''), '101')
  t.same(offers.splice(0), [`${DEFLATE}; client_max_window_bits`, undefined, undefined])
  for (const chosen of ['x-own', `${DEFLATE}, x-own`, `${DEFLATE}, ${DEFLATE}`, `${DEFLATE}; unheard-of`, '"']) {
    t.equal(await ask(`${field}${DEFLATE}\r\n`, `${field}${chosen}\r\n`), '502', chosen)
  }
  t.same(faults, Array(5).fill('UPSTREAM_BROKEN'))
})

t.test('our goodbye reaches both sides at once, and nothing passes behind it', async (t) => {
  const chat = await startChat(t)
  const { port, ends, seen } = await startHarness(t, chat.url, { check: passes })
  const client = await framer(t, port)
  client.socket.write(frameBytes('before'))
  t.ok(await until(() => chat.got.length === 1))
  const startedAt = performance.now()
  ends[0]?.({ code: 1008, reason: 'banned' })
  ends[0]?.({ code: 1001, reason: 'not twice' })
  client.socket.write(frameBytes('behind'))
  await client.closed()
  t.ok(performance.now() - startedAt < 1000)
  t.same(client.frames().map(({ first, payload }) => [first, payload.toString('latin1')]), [[0x81, 'before'], [0x88, '\x03\xf0banned']])
  t.ok(await until(() => chat.closes.length === 1))
  t.same([chat.closes, chat.got.length], [[[1008, 'banned']], 1])
  t.ok(await until(() => seen[0]?.ends.length === 1))
})

t.test('our goodbye waits for the answer to a message that is being judged, but not for ever', async (t) => {
  const chat = await startChat(t)
  let answer = (_: Awaited<ReturnType<FrameCheck>>) => {}
  const { port, ends } = await startHarness(t, chat.url, {
    check: () => new Promise((resolve) => { answer = resolve }),
  })
  for (const verdict of [{ replies: ['told'] }, undefined, 'never'] as const) {
    const client = await framer(t, port)
    client.socket.write(frameBytes('check me'))
    const before = answer
    t.ok(await until(() => answer !== before))
    ends.at(-1)?.({ code: 1008, reason: '' })
    if (verdict !== 'never') answer(verdict)
    await client.closed()
    t.same(client.frames().map(({ first }) => first), verdict === undefined || verdict === 'never' ? [0x88] : [0x81, 0x88])
    answer(undefined)
  }
  t.ok(await until(() => chat.closes.length === 3))
  t.same([chat.got, chat.closes.map(([code]) => code)], [[], [1008, 1008, 1008]], 'what passed meanwhile is not forwarded')
})

t.test('a refusal can end the connection, and a check that throws does', async (t) => {
  const chat = await startChat(t)
  const { port, defects } = await startHarness(t, chat.url, {
    check: ({ data }) => {
      if (data.toString() === 'throw') throw new Error('defect')
      if (data.toString() === 'reject') return Promise.reject(new Error('late defect'))
      return { replies: ['farewell'], close: { code: 1008, reason: 'banned' } }
    },
  })
  for (const [message, expected] of [['ban', [1008, 'banned', 'farewell']], ['throw', [1011, 'Internal error']], ['reject', [1011, 'Internal error']]] as const) {
    const client = await connect(t, port)
    const got = texts(client)
    client.send(message)
    const [code, reason] = await once(client, 'close') as [number, Buffer]
    t.same([code, reason.toString(), ...got], expected)
  }
  t.match(defects, [{ message: 'defect' }, { message: 'late defect' }])
  t.same(chat.got, [])
})

t.test('words of ours come between the backend\'s messages, never within one', async (t) => {
  let backendSide: Socket | undefined
  const backend = await startTcpBackend(t, (socket) => {
    socket.once('data', () => { backendSide = socket.on('data', () => {}); socket.write(SWITCH) })
  })
  const { port, ends } = await startHarness(t, backend.url, { check: refusesNo })
  const client = await framer(t, port)
  const say = (bytes: Buffer) => { backendSide?.write(bytes) }
  const big = frameBytes('b'.repeat(70_000), { mask: null, fin: false })
  say(big.subarray(0, 5))
  say(big.subarray(5, 1000))
  t.ok(await client.sees('bbb'))
  client.socket.write(frameBytes('no 1'))
  await sleep(30)
  say(big.subarray(1000))
  say(frameBytes('ping', { mask: null, opcode: 9 }))
  t.notOk(await client.sees('refused', 50), 'a message of several frames is under way')
  const end = Buffer.concat([frameBytes('end', { mask: null, opcode: 0 }), frameBytes('next', { mask: null })])
  say(end.subarray(0, 7))
  t.ok(await client.sees('refused no 1'))
  client.socket.write(frameBytes('no 2'))
  await sleep(30)
  say(end.subarray(7))
  t.ok(await client.sees('refused no 2'))
  t.same(client.frames().map(({ first, payload }) => [first, payload.toString().slice(0, 12)]), [
    [0x01, 'bbbbbbbbbbbb'], [0x89, 'ping'], [0x80, 'end'],
    [0x81, 'refused no 1'], [0x81, 'next'], [0x81, 'refused no 2'],
  ])
  say(frameBytes('a', { mask: null, fin: false }))
  say(frameBytes('half', { mask: null, opcode: 0, fin: false, length: 9n }))
  await client.sees('half')
  ends[0]?.({ code: 1008, reason: '' })
  await sleep(30)
  say(Buffer.concat([Buffer.from('whole'), frameBytes('too late', { mask: null, opcode: 0 })]))
  await client.closed()
  t.same(client.frames().slice(-2).map(({ first, payload }) => [first, payload.toString('latin1')]), [[0x00, 'halfwhole'], [0x88, '\x03\xf0']])
})

t.test('a peer that never answers our goodbye, or stops within a frame, is cut off', async (t) => {
  let backendSide: Socket | undefined
  const backend = await startTcpBackend(t, (socket) => {
    socket.once('data', () => { backendSide = socket.on('data', () => {}); socket.write(Buffer.concat([Buffer.from(SWITCH), frameBytes('half', { mask: null, length: 9n })])) })
  })
  const { port, ends } = await startHarness(t, backend.url, { check: passes })
  const client = await framer(t, port)
  t.ok(await client.sees('half'))
  ends[0]?.({ code: 1008, reason: '' })
  t.ok(await until(() => client.socket.destroyed && backendSide?.readableEnded === true, 4000))
  t.notMatch(client.text(), '\x03\xf0')
})

t.test('bytes that follow the handshake at once, on either side, are messages too', async (t) => {
  const received: Buffer[] = []
  const backend = await startTcpBackend(t, (socket) => {
    socket.once('data', () => {
      socket.on('data', (chunk: Buffer) => { received.push(chunk) })
      socket.write(Buffer.concat([Buffer.from(SWITCH), frameBytes('from the backend', { mask: null })]))
    })
  })
  const { port } = await startHarness(t, backend.url, { check: refusesNo })
  const first = Buffer.concat([Buffer.from(`${HANDSHAKE}Content-Length: 7\r\n\r\n`), frameBytes('no, not this'), frameBytes('but this', { mask: Buffer.alloc(4) })])
  const client = await rawClient(t, port, first.toString('latin1'))
  t.ok(await client.sees('from the backend'))
  t.ok(await client.sees('refused no, not this'))
  t.ok(await until(() => Buffer.concat(received).length === 6 + 'but this'.length))
})

t.test('a backend that does not read stops the client, and a client that does not read the backend', async (t) => {
  let judged = 0
  const deafBackend = await startTcpBackend(t, (socket) => {
    socket.once('data', () => { socket.write(SWITCH); socket.pause() })
  })
  const up = await startHarness(t, deafBackend.url, { check: () => { judged++; return undefined } })
  const client = await framer(t, up.port)
  const piece = frameBytes('x'.repeat(100_000), { opcode: 2 })
  for (let i = 0; i < 400; i++) client.socket.write(piece)
  await until(() => judged > 200, 600)
  t.ok(judged > 0 && judged < 200, `${judged} messages of 400 judged`)
  t.ok(client.socket.writableLength > 10 * MIB)

  let written = 0
  const talker = await startTcpBackend(t, (socket) => {
    socket.once('data', () => {
      socket.write(SWITCH)
      const big = frameBytes(Buffer.alloc(MIB), { mask: null, opcode: 2 })
      const more = () => { while (written < 100 && socket.write(big)) written++ }
      socket.on('drain', () => { written++; more() })
      more()
    })
  })
  const down = await startHarness(t, talker.url, { check: passes })
  const slow = await rawClient(t, down.port)
  slow.socket.pause()
  slow.socket.write(`${HANDSHAKE}\r\n`)
  await until(() => written > 40, 600)
  t.ok(written > 0 && written < 40, `after ${written} MiB of 100`)
  slow.socket.resume()
  t.ok(await until(() => written >= 100, 20_000), 'and flows on')
})

t.test('a flood of refused messages whose answers nobody reads is not read either', async (t) => {
  const chat = await startChat(t)
  let judged = 0
  const answer = 'r'.repeat(2_000)
  const { port } = await startHarness(t, chat.url, { check: () => { judged++; return { replies: [answer] } } })
  const client = await framer(t, port)
  client.socket.pause()
  const frame = frameBytes('x')
  const many = Buffer.concat(Array<Buffer>(10_000).fill(frame))
  for (let i = 0; i < 2; i++) client.socket.write(many)
  await until(() => judged >= 20_000, 800)
  const stopped = judged
  t.ok(stopped > 0 && stopped < 10_000, `stopped after ${stopped} answers`)
  await sleep(100)
  t.equal(judged, stopped)
  client.socket.resume()
  t.ok(await until(() => judged === 20_000, 30_000), 'and goes on when they are read')
})

t.test('a flood of tiny messages leaves the event loop to others', async (t) => {
  const chat = await startChat(t, { echo: false })
  let judged = 0
  const check: FrameCheck = () => {
    judged++
    const end = performance.now() + 0.2
    while (performance.now() < end);
    return { replies: [] }
  }
  const { port } = await startHarness(t, chat.url, { check })
  const many = Buffer.concat(Array<Buffer>(1_000).fill(frameBytes('')))
  for (let i = 0; i < 5; i++) (await framer(t, port)).socket.write(many)
  const stalls = watchLoop()
  t.ok(await until(() => judged === 5_000, 20_000))
  const [, , third = 0] = stalls()
  t.ok(third < 20, `${third.toFixed(1)} ms`)
})
