import { deflateRawSync, brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import type { OutcomeRule, OutcomeSign } from '../../src/outcomes/contract.js'
import { createOutcomeObserver } from '../../src/outcomes/outcomes.js'
import { exchangeOf, type ExchangePart } from '../limits/exchanges.js'
import { until } from '../helpers/backends.js'

const WORDS = 'Illegal model request'
const SIGN: OutcomeSign = { status: [200], event: 'error', value: { pointer: ['text'], equals: WORDS } }
const DOCUMENT: OutcomeSign = { status: [], event: undefined, value: { pointer: ['error', 'code'], equals: 'illegal' } }
const frame = (data: unknown, event = 'error') => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
const told = frame({ text: WORDS })

const ruleOf = (when: OutcomeSign): OutcomeRule =>
  ({ name: 'illegalModel', violation: 'illegal_model_request', score: 5, observe: false, when })

interface Answer {
  readonly chunks: readonly (Buffer | string)[]
  readonly status?: number
  readonly headers?: IncomingHttpHeaders
  readonly outcome?: 'complete' | 'aborted' | 'failed'
  readonly from?: ExchangePart
}

/** What was booked for an answer, at once and within a while. */
function answered (when: OutcomeSign, answer: Answer) {
  const booked: string[] = []
  const observe = createOutcomeObserver({
    rules: [ruleOf(when)],
    book: (_exchange, { type, score, rule }) => { booked.push(`${rule} ${type} ${score}`) },
    onError: (error) => { throw error },
  })
  const observer = observe(exchangeOf(answer.from ?? { user: 'ann' }))
  const wants = observer?.onHead(answer.status ?? 200, answer.headers ?? {}).body ?? false
  if (wants) for (const chunk of answer.chunks) observer?.onData?.(Buffer.from(chunk))
  observer?.onEnd(answer.outcome ?? 'complete')
  return { booked, wants }
}

const piecesOf = (bytes: Buffer, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))

t.test('the sign is found however the answer is cut into pieces', async (t) => {
  const bytes = Buffer.from(`: ✓ hello\r\n\r\n${frame({ text: 'naïve' }, 'message')}${told}${frame({ final: true }, 'message')}`)
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { booked } = answered(SIGN, { chunks: [bytes.subarray(0, cut), bytes.subarray(cut)] })
    t.same(booked, ['illegalModel illegal_model_request 5'], `cut at ${cut}`)
  }
  t.equal(answered(SIGN, { chunks: piecesOf(bytes, 1) }).booked.length, 1)
  t.equal(answered(SIGN, { chunks: [told + told] }).booked.length, 1, 'one answer is one violation')
})

t.test('the sign is found in compressed answers, in pieces of any size', async (t) => {
  const bytes = Buffer.from(told + frame({ text: 'x'.repeat(10_000) }, 'message'))
  const packers = [
    ['gzip', gzipSync], ['x-gzip', gzipSync], ['br', brotliCompressSync], ['zstd', zstdCompressSync],
    ['deflate', deflateSync], ['deflate', deflateRawSync],
  ] as const
  for (const [coding, pack] of packers) {
    for (const size of [1, 7, 100_000]) {
      const headers = { 'content-encoding': coding, 'content-type': 'text/event-stream; charset=utf-8' }
      const { booked } = answered(SIGN, { chunks: piecesOf(pack(bytes), size), headers })
      t.ok(await until(() => booked.length === 1), `${coding} in pieces of ${size}`)
    }
  }
})

t.test('a sign that comes again in what was still being decoded is no second violation', async (t) => {
  const { booked } = answered(SIGN, { chunks: [gzipSync(told + told)], headers: { 'content-encoding': 'gzip' } })
  t.ok(await until(() => booked.length > 0))
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(booked.length, 1)
})

t.test('a cut or abandoned answer counts as far as it came', async (t) => {
  for (const outcome of ['aborted', 'failed'] as const) {
    t.equal(answered(SIGN, { chunks: [told, 'data: {"te'], outcome }).booked.length, 1)
    t.equal(answered(SIGN, { chunks: [told.slice(0, -1)], outcome }).booked.length, 0, 'half an event is none')
    t.equal(answered(DOCUMENT, { chunks: ['{"error":{"code":"illegal"}'], outcome }).booked.length, 0)
    t.equal(answered(DOCUMENT, { chunks: ['{"error":{"code":"illegal"}}'], outcome }).booked.length, 1)
  }
})

t.test('what is not the sign is none', async (t) => {
  const deep = `event: error\ndata: ${'['.repeat(30_000)}\n\n`
  const others: [string, Partial<Answer>][] = [
    ['another event', { chunks: [frame({ text: WORDS }, 'message')] }],
    ['no event at all', { chunks: [`data: {"text":"${WORDS}"}\n\n`] }],
    ['another text', { chunks: [frame({ text: `${WORDS}.` })] }],
    ['another member', { chunks: [frame({ message: WORDS })] }],
    ['the words within words', { chunks: [frame({ text: told }, 'message')] }],
    ['a list', { chunks: [frame([WORDS])] }],
    ['an inherited member', { chunks: ['event: error\ndata: {"__proto__":{"text":"Illegal model request"}}\n\n'] }],
    ['a text in a text', { chunks: [frame({ text: [WORDS] })] }],
    ['broken JSON', { chunks: ['event: error\ndata: {"text":"Illegal model request"\n\n'] }],
    ['a JSON bomb', { chunks: [deep] }],
    ['another status', { chunks: [told], status: 500 }],
    ['another media type', { chunks: [told], headers: { 'content-type': 'text/html' } }],
    ['an unknown coding', { chunks: [told], headers: { 'content-encoding': 'rot13' } }],
    ['damaged compression', { chunks: [told], headers: { 'content-encoding': 'gzip' } }],
    ['nobody in particular', { chunks: [told], from: {} }],
  ]
  for (const [name, answer] of others) {
    const { booked } = answered(SIGN, { chunks: [], ...answer })
    await new Promise((resolve) => setImmediate(resolve))
    t.same(booked, [], name)
  }
})

t.test('only the first 64 KiB of an answer are read, decoded or not', async (t) => {
  const filler = (bytes: number) => `: ${'x'.repeat(bytes - 4)}\n\n`
  t.equal(answered(SIGN, { chunks: [filler(60_000), told] }).booked.length, 1)
  t.equal(answered(SIGN, { chunks: [filler(66_000), told] }).booked.length, 0)
  t.equal(answered(SIGN, { chunks: [filler(66_000) + told] }).booked.length, 0, 'in one piece')
  const bomb = gzipSync(Buffer.concat([Buffer.alloc(64 * 1024 * 1024, 32), Buffer.from(told)]))
  const { booked } = answered(SIGN, { chunks: piecesOf(bomb, 16_384), headers: { 'content-encoding': 'gzip' } })
  const document = answered(DOCUMENT, { chunks: piecesOf(bomb, 16_384), headers: { 'content-encoding': 'gzip' } })
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.same([...booked, ...document.booked], [])
})

t.test('without an event, the answer is read as one document; without a pointer, its status is enough', async (t) => {
  const body = JSON.stringify({ error: { code: 'illegal' } })
  t.equal(answered(DOCUMENT, { chunks: piecesOf(Buffer.from(body), 3), status: 400 }).booked.length, 1)
  const gzipped = { chunks: [gzipSync(body)], headers: { 'content-encoding': 'gzip' } }
  t.equal(answered(DOCUMENT, gzipped).booked.length, 1)
  t.equal(answered(DOCUMENT, { chunks: ['{"error":{"code":7}}'] }).booked.length, 0)
  const status: OutcomeSign = { status: [418], event: undefined, value: undefined }
  t.match(answered(status, { chunks: [], status: 418 }), { booked: { length: 1 }, wants: false })
  t.match(answered(status, { chunks: [], status: 200 }), { booked: { length: 0 }, wants: false })
  const event: OutcomeSign = { status: [], event: 'message', value: undefined }
  t.equal(answered(event, { chunks: ['data: x\n\n'] }).booked.length, 1, 'an event without a name is a message')
})

t.test('an answer whose head rules the sign out is not read at all', async (t) => {
  t.equal(answered(SIGN, { chunks: [], status: 404 }).wants, false)
  t.equal(answered(SIGN, { chunks: [], headers: { 'content-type': 'application/json' } }).wants, false)
  t.equal(answered(SIGN, { chunks: [], from: { user: 'ann', exempt: true } }).wants, false)
  t.equal(answered(SIGN, { chunks: [] }).wants, true)
})
