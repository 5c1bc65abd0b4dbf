import { brotliCompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import type { Exchange } from '../../src/exchange.js'
import type { Charge, LimiterState } from '../../src/limits/contract.js'
import { createRefund } from '../../src/limits/limits.js'
import { JsonLines } from '../../src/tap/json-lines.js'
import { createAnswerReader, type AnswerReading } from '../../src/tokens/answer-reader.js'
import { answersOf, capsOf, writeAt } from '../../src/tokens/caps.js'
import type { TokenPlaces } from '../../src/tokens/contract.js'
import { estimateTexts } from '../../src/tokens/estimate.js'
import { createReserve, createTokenLedger, modelOf } from '../../src/tokens/tokens.js'
import { UsageTally } from '../../src/tokens/usage.js'
import { limiterOf, questionOf, tokensOf } from '../contract/limiters.js'
import { exchangeOf, NOW } from '../limits/exchanges.js'
import { comeBack, openGuarded, sendAway, type GuardRig } from '../stores/guarded-rig.js'

const PLACES: TokenPlaces = {
  name: 'test',
  caps: [['max_completion_tokens'], ['max_tokens']],
  write: ['max_tokens'],
  times: [['n'], ['best_of']],
  prompts: [['prompt']],
  more: [['tools']],
  stream: ['stream'],
  includeUsage: ['stream_options', 'include_usage'],
  models: [{ in: 'path', name: 'model' }, { in: 'body', pointer: ['model'] }],
  usage: [{ at: [['usage'], ['message', 'usage']], input: [['input'], ['cached']], output: [['output']] }],
  streamed: [['text']],
}

t.test('an estimate is near for what people write, grows with the length, and takes bounded time', async (t) => {
  const english = 'The quick brown fox jumps over the lazy dog, and nobody minds. '
  t.ok(Math.abs(estimateTexts([english]) - 14) <= 3)
  t.ok(Math.abs(estimateTexts(['これは日本語の文章です。']) - 11) <= 4)
  t.equal(estimateTexts([]), 0)
  t.ok(estimateTexts(['ষ'.repeat(600)]) >= 300, 'no script is nearly free')
  for (const text of [english.repeat(40_000), '\n'.repeat(3_000_000), 'é'.repeat(2_000_000), 'a '.repeat(1_500_000)]) {
    const begun = performance.now()
    t.ok(estimateTexts([text]) > 300_000)
    t.ok(performance.now() - begun < 200, `${Math.round(performance.now() - begun)} ms`)
  }
  const begun = performance.now()
  t.ok(estimateTexts(Array.from({ length: 200_000 }, () => 'x')) >= 200_000)
  t.ok(performance.now() - begun < 400, 'many small ones')
})

t.test('a client\'s cap is read in the direction that costs him most', async (t) => {
  const read = (json: unknown) => capsOf(json, PLACES)
  t.same(read({ max_tokens: 7 }), { asked: 7, isPlain: true, invalid: [] })
  t.same(read({ max_tokens: 7, max_completion_tokens: 9.2 }), { asked: 10, isPlain: true, invalid: [] })
  t.same(read({}), { asked: undefined, isPlain: false, invalid: [] })
  t.same(read({ max_tokens: null }), { asked: undefined, isPlain: false, invalid: [] })
  t.same(read({ max_tokens: -1, max_completion_tokens: 5 }), { asked: 5, isPlain: true, invalid: [['max_tokens']] })
  t.same(read({ Max_Tokens: 9 }), { asked: 9, isPlain: false, invalid: [] }, 'in a spelling that some backends read')
  t.equal(read({ max_tokens: 3, Max_Tokens: -1 }).asked, 1e12)
  t.equal(read({ max_tokens: Infinity }).asked, 1e12)
  for (const json of [undefined, null, 5, 'x', [], [{ max_tokens: 5 }]]) t.same(read(json), { asked: undefined, isPlain: false, invalid: [] })
  fc.assert(fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
    const { asked } = read({ max_tokens: one, max_completion_tokens: other })
    const answers = answersOf({ n: one, best_of: other, prompt: one }, PLACES)
    const isCount = (number: number) => Number.isInteger(number) && number >= 1
    return (asked === undefined || (isCount(asked) && asked <= 1e12)) && isCount(answers)
  }))
})

t.test('a value is written where a pointer leads, and a null makes room for it', async (t) => {
  const at = (json: unknown) => writeAt(json, ['a', 'b', 'c'], 1)
  t.same(at({}), { pointer: ['a', 'b', 'c'], value: 1 })
  t.same(at({ a: {} }), { pointer: ['a', 'b', 'c'], value: 1 })
  t.same(at({ a: null }), { pointer: ['a'], value: { b: { c: 1 } } })
  t.same(at({ a: { b: null } }), { pointer: ['a', 'b'], value: { c: 1 } })
  t.same(at({ a: { b: { c: null } } }), { pointer: ['a', 'b', 'c'], value: 1 })
})

t.test('the model is a bounded name that no spelling multiplies', async (t) => {
  const rules = [{ places: PLACES, prompt: undefined }]
  const read = (json: unknown, model?: string) => modelOf({ json, params: { model } }, rules)
  t.equal(read({ model: 'GPT-4o ' }), 'gpt-4o')
  t.equal(read({ model: 'other' }, 'In%2DPath'), 'in-path')
  t.equal(read({ model: 'other' }, 'In%252DPath'), 'in-path')
  t.equal(read({}, '%zz'), '%25zz')
  t.equal(read({ model: 'a}\n+user:43' }), 'a%7D%0A%2Buser%3A43', 'nothing of it is taken for a part of the key')
  for (const json of [{}, null, { model: 5 }, { model: [] }, { model: '' }, { model: 'a', Model: 'b' }, { MODEL: 'a' }]) t.equal(read(json), '')
  t.equal(read({ model: 'x'.repeat(5000) }), 'x'.repeat(128))
  t.equal(modelOf({ json: { model: 'a' }, params: {} }, []), '')
})

t.test('usage is added up, and grows', async (t) => {
  const tally = new UsageTally([...PLACES.usage, { at: [[]], input: [['in']], output: [['out']] }])
  t.same(tally.usage, { input: undefined, output: undefined })
  t.equal(tally.read({ message: { usage: { input: 3, cached: 4, output: 1 } } }), true)
  t.equal(tally.read({ usage: { input: 3 } }), false)
  t.equal(tally.read({ usage: { output: 50 } }), true)
  for (const strange of [null, 5, [], { usage: null }, { usage: { output: '99' } }, { usage: { output: -5 } }, { usage: { input: NaN } }]) tally.read(strange)
  t.same(tally.usage, { input: 7, output: 50 })
  tally.read({ in: 100, out: 0.5 })
  t.same(tally.usage, { input: 100, output: 1 }, 'the places that speak of most')
  tally.read({ in: 1e300, out: 1e300 })
  t.same(tally.usage, { input: 1e12, output: 1e12 })
})

t.test('lines of JSON are taken apart the same however they are cut', async (t) => {
  const text = '{"a":1}\r\n\n{"b":"é\\n"}\n' + `{"long":"${'x'.repeat(100)}"}\n{"c":3}`
  const bytes = Buffer.from(text)
  fc.assert(fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
    const lines: unknown[] = []
    const reader = new JsonLines((line) => { lines.push(JSON.parse(line)) }, 60)
    let from = 0
    for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
      reader.push(bytes.subarray(from, cut))
      from = cut
    }
    reader.end()
    return JSON.stringify(lines) === '[{"a":1},{"b":"é\\n"},{"c":3}]'
  }))
})

t.test('what cannot be decoded, or is too long, says nothing', async (t) => {
  const read = async (headers: Record<string, string>, ...chunks: Buffer[]) => {
    const reader = createAnswerReader([PLACES], headers)
    for (const chunk of chunks) reader.push(chunk)
    return await new Promise<AnswerReading>((resolve) => { reader.end(resolve) })
  }
  const events = 'text/event-stream; charset=utf-8'
  const nothing = { input: undefined, output: undefined }
  const usage = Buffer.from('data: {"text":"one two"}\n\ndata: {"usage":{"output":5}}\n\n')
  t.same(await read({ 'content-type': events }, usage), { input: undefined, output: 5, hasBegun: true, stream: { events: 0, tokens: 0 } })
  t.match(await read({ 'content-type': events, 'content-encoding': 'br' }, brotliCompressSync(usage)), { output: 5 })
  t.match(await read({ 'content-type': events, 'content-encoding': 'br' }, Buffer.from('garbage that is no brotli')), { ...nothing, hasBegun: true })
  t.match(await read({ 'content-type': events, 'content-encoding': 'gzip' }), { ...nothing, hasBegun: false, stream: { events: 0 } })
  t.match(await read({ 'content-type': events, 'content-encoding': 'secret' }, usage), { ...nothing, hasBegun: true, stream: undefined })
  t.match(await read({ 'content-type': events }, usage.subarray(0, 30)), { ...nothing, stream: { events: 1, tokens: 2 } })
  t.match(await read({ 'content-type': 'application/json' }, Buffer.from(`{"usage":{"output":5},"x":"${'x'.repeat(1100 * 1024)}"}`)), nothing)
  t.match(await read({}, Buffer.from('{"usage":{"output":5}}')), { output: 5 })
})

const tokens = tokensOf('cost', { max: 10_000 })

/** A ledger on a store that writes down what it is told, and an exchange that reserved. */
function open (json: object = { max_tokens: 100 }) {
  const changes: [how: string, Charge][] = []
  const told: object[] = []
  const ledger = createTokenLedger({
    store: {
      charge: (charge) => { changes.push(['charge', charge]) },
      refund: (charge) => { changes.push(['refund', charge]) },
    },
    clock: () => NOW + 500,
    metrics: { tokens: (limiter, numbers) => { told.push({ limiter, ...numbers }) } },
    onStoreError: (error) => { throw error },
  })
  const rules = [{ places: PLACES, prompt: undefined }]
  const exchange = exchangeOf()
  exchange.json = json
  exchange.body = Buffer.from(JSON.stringify(json))
  const reserve = createReserve({ rules, limiters: [tokens, limiterOf('requests')] })
  const cost = reserve?.(exchange).tokens ?? 0
  if (cost < 100 || reserve?.(exchange).tokens !== cost) throw new Error('it is reckoned once')
  const state: LimiterState = { limiter: tokens, bucket: 'user:42', subject: 'user:42', charged: cost, remaining: 9000, resetAt: NOW, retryAt: NOW }
  const requests: LimiterState = { ...state, limiter: limiterOf('requests'), charged: 1 }
  const states = [requests, state]
  const admitted = { refused: -1, booking: undefined, observed: [], slots: [], unavailable: undefined }
  exchange.decision = { at: NOW, states, ...admitted }
  const observer = ledger.observe(rules)(exchange)
  if (observer === undefined) throw new Error('nobody observes')
  return { ledger, exchange, observer, changes, told, cost }
}

const JSON_HEAD = { 'content-type': 'application/json' }

t.test('a request is settled once: by its answer, or given back for good', async (t) => {
  const { ledger, exchange, observer, changes, told, cost } = open()
  t.same(observer.onHead(200, JSON_HEAD), { body: true })
  observer.onData?.(Buffer.from('{"usage":{"input":10,"output":20}}'))
  observer.onEnd('complete')
  t.match(changes, [['refund', { limiter: tokens, cost: cost - 30, now: NOW + 500, taken: { at: NOW, remaining: 9000 }, inProcess: false }]])
  t.same(told, [{ limiter: 'cost', reserved: cost, settled: 30 }])
  // A message that turned out to be a repetition.
  const given: Charge[] = []
  const refund = createRefund({ store: storeOf(given), clock: () => NOW, tokens: ledger, onStoreError: () => {} })
  refund(exchange)
  refund(exchange)
  t.match(given, [{ limiter: { name: 'requests' }, cost: 1 }, { limiter: { name: 'requests' }, cost: 1 }], 'the tokens are the ledger\'s')
  t.match(changes.slice(1), [['refund', { cost: 30 }]])
  t.equal(changes.length, 2)
})

function storeOf (given: Charge[]) {
  return {
    decide: () => { throw new Error('not asked') },
    charge: () => { throw new Error('not asked') },
    refund: (charge: Charge) => { given.push(charge) },
  }
}

t.test('what was given back is not settled again, and what never came goes back whole', async (t) => {
  const gone = open()
  gone.ledger.giveBack(gone.exchange)
  gone.ledger.giveBack(gone.exchange)
  gone.observer.onHead(200, JSON_HEAD)
  gone.observer.onData?.(Buffer.from('{"usage":{"output":20}}'))
  gone.observer.onEnd('complete')
  t.match(gone.changes, [['refund', { cost: gone.cost }]])
  t.equal(gone.changes.length, 1)
  for (const [status, outcome] of [[404, 'complete'], [302, 'complete'], [500, 'failed'], [undefined, 'failed'], [undefined, 'aborted'], [200, 'aborted']] as const) {
    const { observer, changes, cost } = open()
    if (status !== undefined) observer.onHead(status, JSON_HEAD)
    observer.onEnd(outcome)
    t.match(changes, [['refund', { cost }]], `${status} ${outcome}`)
  }
})

t.test('an answer that cost more is charged more; one that tells nothing keeps what was reserved', async (t) => {
  const dear = open()
  dear.observer.onHead(200, JSON_HEAD)
  dear.observer.onData?.(Buffer.from('{"usage":{"input":1000,"output":20}}'))
  dear.observer.onEnd('complete')
  t.match(dear.changes, [['charge', { cost: 1020 - dear.cost }]])
  for (const body of ['{}', 'no JSON', '']) {
    const { observer, changes } = open()
    observer.onHead(200, JSON_HEAD)
    if (body !== '') observer.onData?.(Buffer.from(body))
    observer.onEnd('complete')
    t.same(changes, [], body)
  }
})

t.test('only what is enforced changes the body; nobody counts tokens, nobody reckons', async (t) => {
  const rules = [{ places: PLACES, prompt: undefined }]
  const edits = (limiters: Parameters<typeof createReserve>[0]['limiters'], part: Partial<Exchange> = {}) => {
    const exchange = { ...exchangeOf(), json: { stream: true, max_completion_tokens: 'x' }, ...part }
    createReserve({ rules, limiters })?.(exchange)
    return exchange.edits
  }
  const quiet = { tokens: { maxTokens: 70, includeUsage: false } }
  t.same(edits([tokensOf('a'), tokensOf('b', quiet)]), [
    { pointer: ['max_completion_tokens'], value: undefined },
    { pointer: ['max_tokens'], value: 70 },
    { pointer: ['stream_options', 'include_usage'], value: true },
  ], 'the strictest cap')
  t.same(edits([tokensOf('b', quiet)]).length, 2)
  t.same(edits([tokensOf('a', { observe: true })]), [])
  t.same(edits([tokensOf('a', { observe: true }), tokensOf('b', quiet)])[1], { pointer: ['max_tokens'], value: 70 })
  t.same(edits([tokensOf('a')], { json: ['a list'] }), [])
  t.same(edits([tokensOf('a')], { upgrade: true }), [], 'a frame has no answer')
  t.equal(createReserve({ rules, limiters: [limiterOf('requests')] }), undefined)
})

const callsTo = (stores: GuardRig, name: string) => stores.faraway.calls.filter((call) => call[0] === name)

t.test('what was reserved in process is settled there, and never in the store that came back', async (t) => {
  const stores = openGuarded(t)
  const limiter = tokensOf('cost', { max: 1000, onFailure: 'local' })
  const hit = { limiter, bucket: 'user:42', subject: 'user:42', cost: 600, peek: false, breach: undefined }
  const peek = { ...hit, peek: true }
  const left = async () => (await stores.counters.decide(questionOf([peek], NOW))).states[0]?.remaining
  await stores.counters.decide(questionOf([hit], NOW))
  t.equal(await left(), 400)
  await sendAway(stores)
  const { states: [state] } = await stores.counters.decide(questionOf([hit], NOW))
  t.match(state, { charged: 600, remaining: 400, inProcess: true })
  const settled = { limiter, bucket: 'user:42', subject: 'user:42', cost: 500, now: NOW }
  await stores.counters.refund({ ...settled, inProcess: false })
  t.equal(await left(), 400, 'what the store counted is not ours to give back')
  await comeBack(stores)
  const sent = callsTo(stores, 'counters.refund').length
  await stores.counters.refund({ ...settled, inProcess: true })
  t.equal(callsTo(stores, 'counters.refund').length, sent)
  t.equal(await left(), 400, 'the store knows nothing of it')
  await stores.counters.refund({ ...settled, inProcess: false })
  t.equal(await left(), 900)
})
