import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import t from 'tap'
import { startTcpBackend } from '../helpers/backends.js'
import { rawClient } from '../helpers/raw-client.js'
import { compressed, eventsIn, frameBytes, framesIn, type Event } from './frame-bytes.js'

const MAX_BYTES = 50_000
const FUZZ_MS = 4_000
const HANDSHAKE = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
const EXTENSIONS = 'Sec-WebSocket-Extensions: permessage-deflate\r\n'
const OUR_CLOSE = [1002, 1007, 1008, 1009]

const words = fc.array(fc.constantFrom('no', 'w', 'yes', '{"text":', 'ü', ' ', '😀', '"}', '\u0000'), { maxLength: 12 })
const payload = fc.oneof(
  { weight: 6, arbitrary: words.map((list) => Buffer.from(list.join(''))) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.integer({ min: 120, max: 70_000 }).map((size) => Buffer.alloc(size, 'y')) }
)
const someMask = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes))
const mask = fc.oneof(someMask, fc.constant(Buffer.alloc(4)))
const control = fc.record({ opcode: fc.constantFrom(9, 10), data: fc.uint8Array({ maxLength: 125 }) })
const message = fc.record({
  payload,
  mask,
  opcode: fc.constantFrom(1, 1, 1, 2),
  cuts: fc.array(fc.nat(400), { maxLength: 4 }),
  between: fc.array(control, { maxLength: 1 }),
})
/** Frames by the rules, in any fragments. */
const orderly = message.map(({ payload, mask, opcode, cuts, between }) => {
  const edges = [0, ...cuts.filter((cut) => cut < payload.length).sort((a, b) => a - b), payload.length]
  return Buffer.concat(edges.slice(1).flatMap((end, i) => [
    frameBytes(payload.subarray(edges[i], end), { mask, opcode: i === 0 ? opcode : 0, fin: i === edges.length - 2 }),
    ...between.map(({ opcode, data }) => frameBytes(Buffer.from(data), { opcode, mask })),
  ]))
})
/** Frames by no rule at all. */
const disorderly = fc.record({
  payload,
  fin: fc.boolean(),
  opcode: fc.nat(15),
  rsv: fc.constantFrom(0, 0, 0, 1, 2, 4),
  mask: fc.option(mask, { nil: null, freq: 8 }),
  length: fc.option(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { nil: undefined, freq: 8 }),
}).map(({ payload, length, ...known }) => frameBytes(payload, length === undefined ? known : { ...known, length }))
const frame = fc.oneof({ weight: 8, arbitrary: orderly }, { weight: 1, arbitrary: disorderly })
const stream = fc.record({
  frames: fc.array(frame, { minLength: 1, maxLength: 12 }),
  flips: fc.array(fc.record({ at: fc.nat(3_000), with: fc.integer({ min: 1, max: 255 }) }), { maxLength: 2 }),
  pieces: fc.array(fc.integer({ min: 1, max: 2_000 }), { maxLength: 6 }),
})

const sizes = fc.array(fc.integer({ min: 1, max: 500 }))

/** In rounds until the time is over: an interrupted run would go on beside the next. */
async function fuzz<T> (withinMs: number, property: fc.IAsyncProperty<T>): Promise<void> {
  const end = performance.now() + withinMs
  while (performance.now() < end) await fc.assert(property, { numRuns: 20 })
}

function flipped (bytes: Buffer, flips: readonly { at: number, with: number }[]): Buffer {
  const copy = Buffer.from(bytes)
  for (const flip of flips) if (flip.at < copy.length) copy[flip.at] = (copy[flip.at] as number) ^ flip.with
  return copy
}

/** Sends the bytes in these pieces, then ends. */
async function send (socket: Socket, bytes: Buffer, pieces: readonly number[]): Promise<void> {
  let at = 0
  for (const size of pieces) {
    socket.write(bytes.subarray(at, at + size))
    at += size
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  socket.end(bytes.subarray(at))
}

t.test('whatever a client sends: what the backend gets was sent, in order, and the event loop is never held', async (t) => {
  let received: Buffer[] = []
  let gone: Promise<unknown> = Promise.resolve()
  const backend = await startTcpBackend(t, (socket) => {
    received = []
    gone = once(socket, 'close')
    socket.once('data', (head: Buffer) => {
      const extensions = /permessage-deflate/i.test(head.toString()) ? EXTENSIONS : ''
      socket.write(`HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${extensions}\r\n`)
      socket.on('data', (chunk: Buffer) => { received.push(chunk) }).on('end', () => { socket.end() })
    })
  })
  const worker = new Worker(new URL('./frames-worker.ts', import.meta.url), { workerData: { url: backend.url, maxBytes: MAX_BYTES } })
  t.teardown(() => worker.terminate())
  const [{ port }] = await once(worker, 'message') as [{ port: number }]
  const talk = async (bytes: Buffer, pieces: readonly number[], extensions = '') => {
    const client = await rawClient(t, port, `${HANDSHAKE}${extensions}\r\n`)
    if (!await client.sees('\r\n\r\n', 5_000)) throw new Error('no answer to the handshake')
    await send(client.socket, bytes, pieces)
    const text = await client.closed()
    await gone
    return { got: Buffer.concat(received), answered: framesIn(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')) }
  }
  const check = (expected: readonly Event[], { got, answered }: Awaited<ReturnType<typeof talk>>) => {
    const isRefused = ([kind, data]: Event) => (kind === 1 || kind === 2) && data.includes('no')
    const offence = expected.at(-1)?.[0] === '!'
    const passed = expected.filter((event) => event[0] !== '!' && !isRefused(event))
    const there = eventsIn(got, Infinity)
    const close = offence ? there.pop() : undefined
    if (offence && !(close?.[0] === 8 && OUR_CLOSE.includes(Buffer.from(close[1], 'latin1').readUInt16BE(0)))) throw new Error(`closed with ${String(close)}`)
    if (JSON.stringify(there) !== JSON.stringify(passed)) throw new Error(`forwarded ${JSON.stringify(there)} instead of ${JSON.stringify(passed)}`)
    const replies = answered.filter(({ first }) => first === 0x81).map(({ payload }) => payload.toString())
    const due = expected.filter(isRefused).map(([, data]) => `refused ${data.length}`)
    if (JSON.stringify(replies) !== JSON.stringify(due)) throw new Error(`answered ${replies.join()} instead of ${due.join()}`)
  }
  await talk(Buffer.concat([frameBytes('warm'), frameBytes('no')]), [])
  worker.postMessage('begin')
  let runs = 0
  await fuzz(FUZZ_MS, fc.asyncProperty(stream, async ({ frames, flips, pieces }) => {
    runs++
    const bytes = flipped(Buffer.concat(frames), flips)
    check(eventsIn(bytes, MAX_BYTES), await talk(bytes, pieces))
  }))
  await fuzz(FUZZ_MS / 4, fc.asyncProperty(fc.array(message, { maxLength: 8 }), sizes, async (messages, pieces) => {
    runs++
    const fair = messages.filter(({ payload }) => payload.length < MAX_BYTES)
    const frames = fair.map(({ payload, mask }) => frameBytes(compressed(payload), { rsv: 4, opcode: 2, mask }))
    const expected = fair.map(({ payload }): Event => [2, payload.toString('latin1')])
    check(expected, await talk(Buffer.concat(frames), pieces, EXTENSIONS))
  }))
  worker.postMessage('end')
  const [{ stalls, defects, faults }] = await once(worker, 'message') as [{ stalls: number[], defects: number, faults: number }]
  const longest = stalls.slice(0, 5).map((stall) => Number(stall.toFixed(1)))
  t.comment(`${runs} streams, the event loop was held for ${longest[0] ?? 0} ms at most`)
  t.ok(runs > 50)
  t.same([defects, faults], [0, 0])
  // What a client can do once he does again: a single one is the compiler's, or the machine's.
  t.ok((longest[2] ?? 0) < 20 && (longest[0] ?? 0) < 100, `${longest.join(', ')} ms`)
})
