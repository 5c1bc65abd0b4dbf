import { brotliCompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { createDeliveries } from '../../src/deliveries/deliveries.js'
import { createBudget } from '../../src/doorman/budget.js'
import type { Exchange } from '../../src/exchange.js'
import type { Charge, CounterStore, Decision, LimiterState } from '../../src/limits/contract.js'
import { createRefund, settleState } from '../../src/limits/limits.js'
import { editsOf } from '../../src/rewriting/rewriting.js'
import { JsonLines } from '../../src/tap/json-lines.js'
import { answerReaders, type AnswerReading } from '../../src/tokens/answer-reader.js'
import { answersOf, capsOf, writeAt } from '../../src/tokens/caps.js'
import type { TokenPlaces } from '../../src/tokens/contract.js'
import { estimateTexts } from '../../src/tokens/estimate.js'
import { createReserve, createTokenLedger, modelOf } from '../../src/tokens/tokens.js'
import { UsageTally } from '../../src/tokens/usage.js'
import { weigh } from '../../src/tokens/weigh.js'
import { hitOf, limiterOf, questionOf, tokensOf } from '../contract/limiters.js'
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
  const dense = performance.now()
  t.ok(estimateTexts(['a.'.repeat(8192)]) > 4000)
  t.ok(performance.now() - dense < 100, 'many short words')
  t.equal(weigh({ a: 'bc', d: [1, 22, null] }).bytes, 4 + 5 + 4 + 2 + 3 + 5)
  const many = performance.now()
  t.ok(weigh(Array.from({ length: 1_000_000 }, () => 0)).bytes >= 2_000_000)
  t.ok(performance.now() - many < 200, 'many values')
})

t.test('a client\'s cap is read in the direction that costs him most', async (t) => {
  const read = (json: unknown) => capsOf(json, PLACES)
  const none = { asked: undefined, isWritten: false, others: [], misread: [] }
  const [older, newer] = [['max_tokens'], ['max_completion_tokens']]
  t.same(read({ max_tokens: 7 }), { ...none, asked: 7, isWritten: true })
  t.same(read({ max_tokens: 7, max_completion_tokens: 9 }), { ...none, asked: 9, isWritten: true, others: [newer] })
  t.same(read({ max_completion_tokens: 9 }), { ...none, asked: 9, others: [newer] })
  t.same(read({}), none)
  t.same(read({ max_tokens: null }), none)
  for (const invalid of [-1, 0.5, '5', true]) t.same(read({ max_tokens: invalid, max_completion_tokens: 5 }), { ...none, asked: 5, others: [newer], misread: [older] })
  t.same(read({ max_tokens: 3, Max_Tokens: null }), { ...none, asked: 3, isWritten: true, misread: [['Max_Tokens']] }, 'another spelling')
  t.same(capsOf({ options: { num_predict: 1, Num_Predict: 2 }, Options: null }, { caps: [['options', 'num_predict']], write: undefined }).misread, [['Options'], ['options', 'Num_Predict']])
  t.equal(read({ max_tokens: Infinity }).asked, 1e12)
  for (const json of [undefined, null, 5, 'x', [], [{ max_tokens: 5 }]]) t.same(read(json), none)
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
  tally.read(JSON.parse('{ "in": 1e400, "out": 1e400 }'))
  t.same(tally.usage, { input: 100, output: 1 }, 'no number ends a budget')
  tally.read({ in: 1e300, out: 1e300 })
  t.same(tally.usage, { input: 1e7, output: 1e7 })
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
    const reader = answerReaders([PLACES])(headers)
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
  const long = 'x'.repeat(1100 * 1024)
  t.match(await read({ 'content-type': 'application/json' }, Buffer.from(`{"usage":{"output":5},"x":"${long}"}`)), nothing)
  const document = Buffer.from(JSON.stringify({ x: long, usage: { input: 3, output: 5, more: { output: 9 } }, user: '"usage":{"output":1}', y: 'usage' }))
  t.match(await read({}, document.subarray(0, 1_000_000), document.subarray(1_000_000)), { input: 3, output: 5 }, 'usage at the end')
  t.match(await read({ 'content-encoding': 'br' }, brotliCompressSync(document)), { input: 3, output: 5 })
  t.match(await read({}, Buffer.from('{"usage":{"output":5}}')), { output: 5 })
})

const tokens = tokensOf('cost', { max: 10_000 })

/** A ledger on a store that writes down what it is told, and an exchange that reserved. */
function open (json: object = { max_tokens: 100 }, counters?: CounterStore) {
  const changes: [how: string, Charge][] = []
  const told: object[] = []
  const ledger = createTokenLedger({
    store: counters ?? {
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
  ledger.giveBack(exchange)
  ledger.giveBack(exchange)
  t.match(changes.slice(1), [['refund', { cost: 30 }]])
  t.equal(changes.length, 2)
})

t.test('a request that reserved nothing is not looked at, whatever was decided about it', async (t) => {
  const { ledger, exchange, changes } = open()
  let looks = 0
  const decision: Decision = {
    ...exchange.decision as Decision,
    get states () {
      looks++
      return []
    },
  }
  ledger.giveBack({ ...exchangeOf(), decision })
  t.same([looks, changes.length], [0, 0])
})

t.test('what was given back is not settled again, and what never came goes back whole', async (t) => {
  const gone = open()
  gone.ledger.giveBack(gone.exchange)
  gone.ledger.giveBack(gone.exchange)
  gone.observer.onHead(200, JSON_HEAD)
  gone.observer.onData?.(Buffer.from('{"usage":{"output":20}}'))
  gone.observer.onEnd('complete')
  t.match(gone.changes, [['refund', { cost: gone.cost }]])
  t.equal(gone.changes.length, 1)
  const end = (status: number | undefined, outcome: 'complete' | 'failed' | 'aborted') => {
    const { observer, changes, cost } = open()
    if (status !== undefined) observer.onHead(status, JSON_HEAD)
    observer.onEnd(outcome)
    return { changes, cost }
  }
  for (const [status, outcome] of [[404, 'complete'], [302, 'complete'], [500, 'failed'], [500, 'aborted'], [undefined, 'failed'], [undefined, 'aborted'], [200, 'failed']] as const) {
    const { changes, cost } = end(status, outcome)
    t.match(changes, [['refund', { cost }]], `${status} ${outcome}`)
  }
  t.match(end(200, 'aborted').changes, [['refund', { cost: 100 }]], 'whoever leaves at the head of the answer has had the prompt read')
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
    return editsOf(exchange)
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

/** All who settle later what they took: each takes something, and answers how it is settled. */
const TAKERS: Record<string, (stores: GuardRig) => Promise<() => unknown>> = {
  'tokens of an answer': async ({ counters }) => {
    const { exchange, ledger } = open(undefined, counters)
    const decision = await counters.decide(questionOf([hitOf(tokens, 'user:42', { cost: 600 })], NOW))
    exchange.decision = decision
    return () => { ledger.giveBack(exchange) }
  },
  'what limiters charged': async ({ counters }) => {
    const refund = createRefund({ store: counters, clock: () => NOW, onStoreError })
    const exchange = exchangeOf()
    exchange.decision = await counters.decide(questionOf([hitOf(limiterOf('requests', { algorithm: 'gcra' }))], NOW))
    return () => { refund(exchange) }
  },
  'the place of a delivery': async ({ counters }) => {
    const options = { store: counters, clock: () => NOW, newId: freshId, onStoreError }
    const { checkFor, release } = createDeliveries({ ...options, refund: () => {} })
    const exchange = { ...exchangeOf(), json: { id: 1 } }
    await checkFor({ id: ['id'], knownMs: 1000, inFlightMs: 1000, patienceMs: 0 })(exchange)
    return () => { release(exchange) }
  },
  'the doorman\'s budget': async ({ counters }) => {
    const options = { counters, clock: () => NOW, newId: freshId, onStoreError }
    const budget = createBudget({ ...options, meters: { budgetLeft: () => {} } })
    const spending = await budget.take({ requests: undefined, tokens: 1000 }, 600)
    return () => { spending?.settle(100) }
  },
}

const onStoreError = (error: Error) => { throw error }
let ids = 0
const freshId = () => String(ids++)
const refundsOf = (stores: GuardRig) =>
  stores.faraway.calls.flatMap(([name, charge]) => name === 'counters.refund' ? [charge as Charge] : [])

for (const [what, take] of Object.entries(TAKERS)) {
  t.test(`${what}: what was taken in process is settled there, and never in the store that came back`, async (t) => {
    const stores = openGuarded(t)
    const settleEarlier = await take(stores)
    await sendAway(stores)
    const settle = await take(stores)
    await comeBack(stores)
    settle()
    t.same(refundsOf(stores), [], 'the store knows nothing of it')
    settleEarlier()
    t.match(refundsOf(stores), [{ inProcess: false, taken: { at: NOW } }], 'its own it is told, and when that was')
    t.equal(refundsOf(stores).length, 1)
  })
}

t.test('what the store counted is not given back to counts in process', async (t) => {
  const stores = openGuarded(t)
  const hit = hitOf(tokensOf('cost', { max: 1000 }), 'user:42', { cost: 600 })
  const taken = await stores.counters.decide(questionOf([hit], NOW))
  await sendAway(stores)
  const inProcess = await stores.counters.decide(questionOf([hit], NOW))
  t.match(inProcess, { inProcess: true, states: [{ charged: 600, remaining: 400 }] })
  const peek = { ...hit, peek: true }
  const left = async () => (await stores.counters.decide(questionOf([peek], NOW))).states[0]?.remaining
  const options = { store: stores.counters, clock: () => NOW }
  await settleState(taken, 0, { ...options, to: 100 })
  t.equal(await left(), 400)
  await settleState(inProcess, 0, { ...options, to: 100 })
  t.equal(await left(), 900)
  await settleState(inProcess, 0, { ...options, from: 100, to: 300 })
  t.equal(await left(), 700, 'what it cost more is charged there too')
})

t.test('of two questions about one request, each is settled where and when it was decided', async (t) => {
  const told: Charge[] = []
  const store = {
    charge: () => { throw new Error('nothing costs more') },
    refund: (charge: Charge) => { told.push(charge) },
  }
  const decision = open().exchange.decision as Decision
  const earlier: Decision = { ...decision, inProcess: true }
  const both: Decision = { ...decision, at: NOW + 9000, states: [...earlier.states, ...decision.states], earlier }
  both.states.forEach((_state, index) => { settleState(both, index, { store, clock: () => NOW, to: 0 }) })
  const [first, second] = [[true, NOW], [false, NOW + 9000]]
  t.same(told.map(({ inProcess, taken }) => [inProcess, taken?.at]), [first, first, second, second])
})
