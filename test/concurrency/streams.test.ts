import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { BodyTap } from '../../src/tap/body-tap.js'
import { SseParser, type SseFrame } from '../../src/tap/sse-parser.js'
import { isLast } from '../../src/concurrency/stream-observer.js'
import { createGate, finalFrame, settle, type Gate } from './harness.js'

const codings: Record<string, (bytes: Buffer) => Buffer> = {
  identity: (bytes) => bytes,
  gzip: gzipSync,
  'X-GZIP': gzipSync,
  deflate: deflateSync,
  'deflate ': deflateRawSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
}

function cut (bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...at.map((place) => place % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}

function framesOf (chunks: readonly Buffer[], maxLength = 4096): SseFrame[] {
  const frames: SseFrame[] = []
  const parser = new SseParser((frame) => frames.push(frame), maxLength)
  for (const chunk of chunks) parser.push(chunk)
  return frames
}

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

function heapBytes (): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/** Decoders work in other threads: gives them a moment, in real milliseconds. */
async function emptied (gate: Gate, withinMs = 5000): Promise<void> {
  const until = Date.now() + withinMs
  while (await gate.held() > 0 && Date.now() < until) await settle(1)
}

t.test('frames are read as browsers read them', async (t) => {
  const cases: [string, [string, string][]][] = [
    ['data: a\n\ndata:b\n\n', [['', 'a'], ['', 'b']]],
    ['event: error\r\ndata: a\r\n\r\n', [['error', 'a']]],
    ['event:x\rdata:a\r\rdata:b\r\r', [['x', 'a'], ['', 'b']]],
    ['\ufeffdata: a\n\n', [['', 'a']]],
    [': comment\nid: 7\nretry: 1\ndata: a\ndata\ndata:  c\nunknown: x\n\n', [['', 'a\n\n c']]],
    ['event: error\n\ndata: a\n\n', [['', 'a']]],
    ['data\n\n', [['', '']]],
    ['data: ü→😀\n\n', [['', 'ü→😀']]],
    ['data: cut', []],
    ['\n\n\n\r\r\n', []],
  ]
  for (const [text, frames] of cases) {
    t.strictSame(framesOf([Buffer.from(text)]).map(({ event, data }) => [event, data]), frames, JSON.stringify(text))
  }
})

t.test('any way of cutting the bytes gives the same frames', async (t) => {
  const piece = fc.constantFrom(
    'data: ', 'event: error', 'event', ':', ' ', '\n', '\r', '\r\n', '\n\n', '{"final":true}', 'ü😀', '\ufeff', 'x'.repeat(700), '\0')
  fc.assert(fc.property(
    fc.array(fc.oneof(piece, fc.string()), { maxLength: 40 }), fc.array(fc.nat(), { maxLength: 60 }),
    (pieces, places) => {
      const bytes = Buffer.from(pieces.join(''))
      t.strictSame(framesOf(cut(bytes, places), 2000), framesOf([bytes], 2000))
    }), { numRuns: 300 })
  const bytes = Buffer.from(`: hi\r\n\r\nevent: message\r\ndata: {"t":"ü"}\r\n\r\n${finalFrame}`)
  const whole = framesOf([bytes])
  t.equal(whole.length, 2)
  for (let place = 1; place < bytes.length; place++) t.strictSame(framesOf(cut(bytes, [place])), whole)
  t.strictSame(framesOf([...bytes].map((byte) => Buffer.of(byte))), whole)
})

t.test('only a top-level final or an error event is the last word', async (t) => {
  const frame = (data: string, event = '', truncated = false) => isLast({ event, data, truncated })
  t.ok(frame('{"final":true}'))
  t.ok(frame(' {"a":{"final":false},\n"final" : true}', 'message'))
  t.ok(frame('{"error":"overloaded"}', 'error'))
  t.ok(frame('not even JSON', 'error'))
  t.ok(frame('{"final":true,"conversation":{"ti', 'message', true), 'a frame too long to keep is known by its first member')
  for (const data of [
    'the text "final":true', '"final\\":true"', '{"text":"\\"final\\":true"}', '{"message":{"final":true}}',
    '[{"final":true}]', '{"final":"true"}', '{"final":1}', '{"final":false}', '{"final":null}', '{"Final":true}',
    '{"final":true', 'x{"final":true}', '{"final":true}{"final":true}', 'null', '"final"', '', '{"__proto__":{"final":true}}',
    '{"final":true,"final":false}', '{"error":"said in a text","final":0}', '['.repeat(200_000) + '"final"',
  ]) t.notOk(frame(data), data.slice(0, 60))
  t.notOk(frame('{"final":true}', 'attachment'), 'what a tool sends under another name is not the generation\'s')
  t.notOk(frame('{"text":"{\\"final\\":true,', '', true))
  t.notOk(frame('{"final":truely,', '', true))
})

t.test('in any coding and cut anywhere, the final frees and text about it does not', async (t) => {
  const talk = 'data: {"text":"say \\"final\\":true"}\n\n: ping\n\ndata: {"message":{"final":true}}\n\n'
  for (const [coding, encode] of Object.entries(codings)) {
    await fc.assert(fc.asyncProperty(fc.boolean(), fc.array(fc.nat(), { maxLength: 20 }), async (ends, places) => {
      const gate = createGate()
      await gate.start('s1')
      const tab = gate.open('s1', {}, { 'content-encoding': coding })
      for (const chunk of cut(encode(Buffer.from(ends ? talk + finalFrame : talk)), places)) tab.onData?.(chunk)
      tab.onEnd('aborted')
      if (ends) await emptied(gate)
      else await settle(5)
      t.equal(await gate.held(), ends ? 0 : 1, coding)
      t.strictSame(gate.errors, [])
    }), { numRuns: 15 })
  }
})

t.test('a compressed stream that is cut short still yields what came', async (t) => {
  for (const [coding, encode] of [['gzip', gzipSync], ['deflate', deflateSync]] as const) {
    const gate = createGate()
    await gate.start('s1')
    const tab = gate.open('s1', {}, { 'content-encoding': coding })
    tab.onData?.(encode(Buffer.from(finalFrame.repeat(3))).subarray(0, -1))
    tab.onEnd('failed')
    await emptied(gate)
    t.equal(await gate.held(), 0, coding)
    t.strictSame(gate.errors, [])
  }
})

t.test('an endless frame is not kept, and what follows it is read', async (t) => {
  const mebibyte = Buffer.alloc(1024 * 1024, 'x')
  const frames: SseFrame[] = []
  const parser = new SseParser((frame) => frames.push(frame), 4096)
  const before = heapBytes()
  for (const start of ['data: ', ': ', 'event: ', 'data: a\ndata: ', '']) {
    parser.push(Buffer.from(start))
    for (let count = 0; count < 16; count++) parser.push(mebibyte)
    t.ok(heapBytes() - before < 8 * mebibyte.length, 'kept on the heap')
    parser.push(Buffer.from('\n\n'))
  }
  for (let count = 0; count < 300; count++) parser.push(Buffer.from('data\n'.repeat(1000)))
  parser.push(Buffer.from('\n'))
  parser.push(Buffer.from(finalFrame))
  t.match(frames, [{ truncated: true }, { truncated: true }, { truncated: true }, { event: 'message', truncated: false }])
  t.ok(frames.every(({ data }) => data.length <= 1024))
  const gate = createGate()
  await gate.start('s1')
  const tab = gate.open('s1')
  tab.onData?.(Buffer.from('event: message\ndata: {"final":true,"responseMessage":{"text":"'))
  for (let count = 0; count < 4; count++) tab.onData?.(mebibyte)
  t.equal(await gate.held(), 1, 'not before the frame is whole')
  tab.onData?.(Buffer.from('"}}\n\n'))
  t.equal(await gate.held(), 0)
})

t.test('garbage frees nothing and throws nothing', async (t) => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }),
    fc.constantFrom(...Object.keys(codings), 'compress', 'gzip, br', 'constructor', ',,', 'gzip,gzip,gzip,gzip,gzip'),
    async (chunks, coding) => {
      const gate = createGate()
      await gate.start('s1')
      const tab = gate.open('s1', {}, { 'content-encoding': coding })
      for (const chunk of chunks) tab.onData?.(Buffer.from(chunk))
      tab.onEnd('failed')
      const { exchange } = await gate.send()
      const message = gate.room.observeMessage(exchange)
      message?.onHead(200, { 'content-type': 'application/json', 'content-encoding': coding })
      for (const chunk of chunks) message?.onData?.(Buffer.from(chunk))
      message?.onEnd('failed')
      await settle(3)
      t.equal(await gate.held(), 1)
      t.strictSame(gate.errors, [])
    }), { numRuns: 150 })
})

t.test('an answer of another type or status is not read as a stream', async (t) => {
  for (const [status, type] of [
    [200, 'application/json'], [200, 'text/html'], [200, ''], [404, 'text/event-stream'], [200, 'text/event-streams'],
  ] as const) {
    const gate = createGate()
    await gate.start('s1')
    const tab = gate.open('s1')
    t.strictSame(tab.onHead(status, { 'content-type': type }), { body: false })
  }
  const gate = createGate()
  const unheld = gate.open('s1')
  t.strictSame(unheld.onHead(200, { 'content-type': 'text/event-stream' }), { body: false }, 'nothing to free: not read')
})

t.test('short JSON answers are read in every coding, and bombs are not unpacked', async (t) => {
  for (const [coding, encode] of Object.entries(codings)) {
    const tap = new BodyTap({ 'content-encoding': coding }, 1000)
    for (const chunk of cut(encode(Buffer.from('{"streamId":"ü"}')), [1, 7])) tap.push(chunk)
    t.strictSame(tap.read(), { kind: 'json', value: { streamId: 'ü' } }, coding)
    const bomb = new BodyTap({ 'content-encoding': coding }, 1000)
    bomb.push(encode(Buffer.alloc(10_000_000, ' ')))
    t.strictSame(bomb.read(), { kind: 'unknown' }, coding)
  }
  const twice = new BodyTap({ 'content-encoding': 'gzip, identity, br' }, 1000)
  twice.push(brotliCompressSync(gzipSync('[1]')))
  t.strictSame(twice.read(), { kind: 'json', value: [1] })
})

t.test('a decoder that cannot keep up is given up, not fed without bound', async (t) => {
  const gate = createGate()
  await gate.start('s1')
  const tab = gate.open('s1', {}, { 'content-encoding': 'gzip' })
  tab.onData?.(gzipSync(Buffer.alloc(1_500_000, `: ${'comment'.repeat(1000)}\n`), { level: 0 }))
  tab.onData?.(gzipSync(finalFrame))
  tab.onEnd('complete')
  await emptied(gate, 500)
  t.equal(await gate.held(), 1)
  t.strictSame(gate.errors, [])
})
