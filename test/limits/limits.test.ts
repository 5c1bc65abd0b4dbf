import t, { type Test } from 'tap'
import { parseList } from 'structured-headers'
import { createConcurrency } from '../../src/concurrency/concurrency.js'
import type { SlotDesk } from '../../src/concurrency/contract.js'
import type { Exchange } from '../../src/exchange.js'
import type { CounterStore, Decision, DecisionRequest, Limiter } from '../../src/limits/contract.js'
import { createLimitsCheck, createRefund, observeCountedAnswers } from '../../src/limits/limits.js'
import { rateHeaders } from '../../src/limits/rate-headers.js'
import type { ConcurrencyRule } from '../../src/policy/contract.js'
import { createMemoryCounters } from '../../src/stores/memory/counters.js'
import { createMemoryLeases } from '../../src/stores/memory/leases.js'
import { createScoresInProcess } from '../../src/stores/memory/scores.js'
import type { LimitVerdict, Verdict } from '../../src/verdict/verdict.js'
import type { ViolationRecord } from '../../src/violations/contract.js'
import { createViolations } from '../../src/violations/violations.js'
import { limiterOf } from '../contract/limiters.js'
import { collectLog } from '../stores/open-stores.js'
import { exchangeOf, NOW, type ExchangePart } from './exchanges.js'

/** The room on the real memory store, with a clock that the test moves. */
function openRoom () {
  const time = { now: NOW }
  const clock = () => time.now
  const scores = createScoresInProcess({ clock, retentionMs: 86_400_000 })
  const leases = createMemoryLeases({ scores })
  const counters = createMemoryCounters({ scores, leases })
  const journal: ViolationRecord[] = []
  let ids = 0
  const banned: string[] = []
  const { log } = collectLog()
  const violations = createViolations({
    scores,
    journal: { append: (record) => { journal.push(record) } },
    bans: {
      banFor: async (_exchange, { subject }, { at }) => {
        banned.push(subject)
        return { durationMs: 7_200_000, expiresAt: at + 7_200_000 }
      },
    },
    clock,
    log,
    newId: () => `violation-${ids++}`,
  })
  const errors: Error[] = []
  const onStoreError = (error: Error) => { errors.push(error) }
  const checkOf = (limiters: readonly Limiter[], store: CounterStore = counters, slots?: SlotDesk) =>
    createLimitsCheck({ limiters, store, slots, violations, clock, newId: () => `decision-${ids++}`, onStoreError })
  return { time, clock, scores, counters, leases, journal, banned, violations, errors, onStoreError, checkOf }
}

const ip40 = limiterOf('messageIp', { max: 40 })
const user40 = limiterOf('messageUser', { max: 40, key: ['user'] })

/** How many of so many requests pass. */
async function passing (check: (exchange: Exchange) => unknown, times: number, part: ExchangePart): Promise<number> {
  let passed = 0
  for (let i = 0; i < times; i++) if (await check(exchangeOf(part)) === undefined) passed++
  return passed
}

function asLimit (t: Test, verdict: Verdict | undefined): LimitVerdict {
  if (verdict?.kind === 'limit') return verdict
  t.fail('expected a limit verdict', { found: verdict })
  throw new Error('no limit verdict')
}

t.test('the 41st message of an address within a minute of the first is refused, then the window is empty again [1, 2]', async (t) => {
  const room = openRoom()
  const check = room.checkOf([ip40])
  t.equal(await passing(check, 40, {}), 40)
  room.time.now += 59_999
  const verdict = asLimit(t, await check(exchangeOf()))
  t.match(verdict, {
    rule: 'messageIp', limiter: 'messageIp', key: 'ip', status: 429, max: 40, windowMs: 60_000, type: 'message_limit', retryAfterMs: 1,
  })
  t.match(verdict.booking, { score: 1, before: 0, after: 1, crossed: false })
  t.equal(await passing(check, 30, {}), 0)
  room.time.now += 1
  t.equal(await passing(check, 41, {}), 40)
})

t.test('a check answers in the tick it was asked in, unless there is a ban to wait for', async (t) => {
  const check = openRoom().checkOf([limiterOf('one', { max: 1, score: 19 })])
  t.equal(check(exchangeOf()), undefined)
  t.match(check(exchangeOf()), { kind: 'limit' })
  const ban = { durationMs: 7_200_000 }
  t.match(await check(exchangeOf()), { booking: { before: 19, after: 38, crossed: true, ban } })
})

t.test('the user bucket is untouched by what the address limiter refuses; one address is shared, scores are not [3, 5]', async (t) => {
  const room = openRoom()
  const check = room.checkOf([limiterOf('messageIp', { max: 2 }), user40])
  t.equal(await passing(check, 1, { user: 'ann' }), 1)
  t.equal(await passing(check, 1, { user: 'bob' }), 1)
  const exchange = exchangeOf({ user: 'bob' })
  await check(exchange)
  t.equal(exchange.decision?.states[1]?.remaining, 39, 'one of 40 is used, by the message that passed')
  t.same(room.scores.list().map(({ subject, score }) => [subject, score]), [['user:bob', 1]])
})

t.test('one user on three addresses, 100 messages: all pass without a user limiter, 40 with one [4]', async (t) => {
  const cases = [{ limiters: [ip40], expected: 100 }, { limiters: [ip40, user40], expected: 40 }]
  for (const { limiters, expected } of cases) {
    const check = openRoom().checkOf(limiters)
    let passed = 0
    for (let i = 0; i < 100; i++) {
      if (await check(exchangeOf({ user: 'ann', address: `203.0.113.${i % 3}` })) === undefined) passed++
    }
    t.equal(passed, expected)
  }
})

t.test('without a user, a user limiter is skipped or counts the address, as the policy says', async (t) => {
  const room = openRoom()
  t.equal(await passing(room.checkOf([limiterOf('a', { key: ['user'], max: 1 })]), 5, {}), 5)
  t.equal(await passing(room.checkOf([limiterOf('b', { key: ['user'], max: 1, anonymous: 'ip' })]), 5, {}), 1)
  t.equal(await passing(room.checkOf([limiterOf('c', { key: ['group'], max: 1 })]), 5, {}), 5)
})

t.test('keys combine, and a global one is shared by all', async (t) => {
  const room = openRoom()
  const pair = room.checkOf([limiterOf('pair', { key: ['ip', 'user'], max: 1 })])
  const buckets = new Set<string>()
  for (const part of [{ user: 'ann' }, { user: 'bob' }, { user: 'ann', address: '203.0.113.10' }]) {
    const exchange = exchangeOf(part)
    t.equal(pair(exchange), undefined)
    buckets.add(exchange.decision?.states[0]?.bucket ?? '')
  }
  t.same([...buckets], ['ip:203.0.113.9+user:ann', 'ip:203.0.113.9+user:bob', 'ip:203.0.113.10+user:ann'])
  const all = room.checkOf([limiterOf('all', { key: ['global'], max: 2 })])
  t.equal(await passing(all, 1, { user: 'ann' }) + await passing(all, 5, { address: '198.51.100.1' }), 2)
  const chat = room.checkOf([limiterOf('chat', { key: ['user', 'group'], max: 1 })])
  t.equal(await passing(chat, 2, { user: 'ann', group: 'g1' }) + await passing(chat, 2, { user: 'ann', group: 'g2' }), 2)
})

t.test('where a sign-in is required, the anonymous cannot use up the places of the signed-in on their address', async (t) => {
  const room = openRoom()
  const check = room.checkOf([limiterOf('messageIp', { max: 3 })])
  const plan = { authRequired: true }
  t.equal(await passing(check, 10, { plan }), 3)
  t.equal(await passing(check, 10, { plan, user: 'ann' }), 3)
})

t.test('the exempt are limited but never scored, or not even limited', async (t) => {
  const room = openRoom()
  const check = room.checkOf([limiterOf('messageIp', { max: 1 })])
  t.equal(await passing(check, 30, { user: 'admin', exempt: true }), 1)
  t.equal(await passing(check, 30, { user: 'admin', exempt: true, skipLimits: true }), 30)
  t.same(room.scores.list(), [])
  t.same(room.journal, [])
})

t.test('what another site makes a browser send is limited but not scored; navigations are', async (t) => {
  const room = openRoom()
  const check = room.checkOf([limiterOf('messageIp', { max: 0 })])
  const crossSite = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }
  t.equal(asLimit(t, await check(exchangeOf({ user: 'ann', headers: crossSite }))).booking, undefined)
  t.same(room.scores.list(), [])
  const own = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-user': '?1' }
  await check(exchangeOf({ user: 'ann', headers: { ...crossSite, ...own } }))
  await check(exchangeOf({ user: 'ann', headers: { ...crossSite, 'sec-fetch-site': 'same-site' } }))
  t.match(room.scores.list(), [{ subject: 'user:ann', score: 2 }])
})

t.test('the anonymous score their address, unless the policy says no [45]', async (t) => {
  const room = openRoom()
  const check = room.checkOf([limiterOf('loginIp', { max: 0, violation: 'logins' })])
  t.equal(asLimit(t, await check(exchangeOf({ bans: { scoreAnonymous: false } }))).booking, undefined)
  t.same(room.scores.list(), [])
  await check(exchangeOf())
  t.match(room.scores.list(), [{ type: 'logins', subject: 'ip:203.0.113.9', score: 1 }])
})

t.test('a limiter without a violation type books nothing; its status is its own', async (t) => {
  const room = openRoom()
  const verdict = asLimit(t, await room.checkOf([limiterOf('guest', { max: 0, violation: undefined, status: 402 })])(exchangeOf()))
  t.equal(verdict.status, 402)
  t.notHas(verdict, { type: 'message_limit' })
  t.same([room.scores.list(), room.journal], [[], []])
})

t.test('texts say the window, the time left rounded up, and the maximum', async (t) => {
  const room = openRoom()
  const message = '{max} in {windowMinutes} minutes, {minutes} left; again {minutes}. {unknown}'
  const check = room.checkOf([limiterOf('loginIp', { max: 1, windowMs: 300_000, message })])
  await check(exchangeOf())
  room.time.now += 119_000
  t.equal(asLimit(t, await check(exchangeOf())).message, '1 in 5 minutes, 4 left; again 4. {unknown}')
  room.time.now += 180_000
  t.equal(asLimit(t, await check(exchangeOf())).message, '1 in 5 minutes, 1 left; again 1. {unknown}')
})

t.test('waiting as long as the refusal says is enough for every limiter of the route', async (t) => {
  const room = openRoom()
  // The last place of the longer window goes to the very request that the shorter one refuses.
  const check = room.checkOf([
    limiterOf('long', { max: 2, windowMs: 600_000 }), limiterOf('short', { max: 1, windowMs: 60_000 }),
    limiterOf('watched', { max: 0, windowMs: 3_600_000, observe: true }),
  ])
  await check(exchangeOf())
  room.time.now += 1500
  const verdict = asLimit(t, await check(exchangeOf()))
  t.match(verdict, { limiter: 'short', resetAt: NOW + 600_000, retryAfterMs: 598_500 })
  room.time.now += verdict.retryAfterMs ?? 0
  t.equal(await check(exchangeOf()), undefined)
})

t.test('a limiter that counts answers looks first and is charged by the statuses it counts', async (t) => {
  const room = openRoom()
  const failed = limiterOf('failed', { max: 3, countStatus: [401, 403], violation: 'logins' })
  const check = room.checkOf([failed])
  const { counters: store, clock, onStoreError } = room
  const observe = observeCountedAnswers({ limiters: [ip40, failed], store, clock, onStoreError })
  const answer = async (status: number) => {
    const exchange = exchangeOf()
    if (await check(exchange) !== undefined) return 'refused'
    const observer = observe(exchange)
    t.same(observer?.onHead(status, {}), { body: false })
    observer?.onEnd('complete')
    return status
  }
  for (let i = 0; i < 10; i++) t.equal(await answer(200), 200)
  for (const status of [401, 403, 401]) t.equal(await answer(status), status)
  t.equal(await answer(200), 'refused')
  t.match(room.scores.list(), [{ type: 'logins', score: 1 }])
  t.equal(observe(exchangeOf({ exempt: true, skipLimits: true })), undefined)
  room.time.now += 60_000
  t.equal(await answer(200), 200)
})

t.test('a store that fails behind an answer is told to the operator and troubles nobody', async (t) => {
  const errors: Error[] = []
  const failing: CounterStore = {
    decide: () => { throw new Error('not asked') },
    charge: () => Promise.reject(new Error('away')),
    refund: () => Promise.reject(new Error('away')),
  }
  const limiter = limiterOf('failed', { countStatus: [401] })
  const onStoreError = (error: Error) => { errors.push(error) }
  const observe = observeCountedAnswers({ limiters: [limiter], store: failing, clock: () => NOW, onStoreError })
  observe(exchangeOf())?.onHead(401, {})
  await new Promise(setImmediate)
  t.match(errors, [{ message: 'away' }])
})

t.test('a refund gives back what the request was charged, and no more', async (t) => {
  const room = openRoom()
  const limiters = [limiterOf('a', { max: 5 }), limiterOf('b', { max: 5, key: ['user'] }), limiterOf('c', { max: 1, countStatus: [401] })]
  const check = room.checkOf(limiters)
  const refund = createRefund({ store: room.counters, clock: room.clock, onStoreError: room.onStoreError })
  const exchange = exchangeOf({ user: 'ann' })
  await check(exchange)
  await check(exchangeOf({ user: 'ann' }))
  refund(exchange)
  const after = exchangeOf({ user: 'ann' })
  await check(after)
  t.same(after.decision?.states.map(({ remaining }) => remaining), [3, 3, 1])
})

t.test('a refund long after gives back nothing of what others took meanwhile, also of the first of two questions', async (t) => {
  for (const algorithm of ['fixed-window', 'sliding-window', 'gcra'] as const) {
    const room = openRoom()
    const checks = ['a', 'b'].map((name) => room.checkOf([limiterOf(name, { max: 5, algorithm })]))
    const ask = async () => {
      const exchange = exchangeOf()
      for (const check of checks) await check(exchange)
      return exchange
    }
    const refund = createRefund({ store: room.counters, clock: room.clock, onStoreError: room.onStoreError })
    const slow = exchangeOf()
    await checks[0]?.(slow)
    room.time.now += 130_000
    await ask()
    room.time.now += 1
    await checks[1]?.(slow)
    refund(slow)
    t.same((await ask()).decision?.states.map(({ remaining }) => remaining), [3, 3], algorithm)
  }
})

t.test('observe mode notes what it would have refused, in a score of its own, and bans nobody', async (t) => {
  const room = openRoom()
  const check = room.checkOf([limiterOf('messageIp', { max: 1, score: 20, observe: true })])
  await check(exchangeOf({ user: 'ann' }))
  const exchange = exchangeOf({ user: 'ann' })
  t.equal(check(exchange), undefined)
  t.match(exchange.observed, [{ kind: 'limit', rule: 'messageIp', booking: { after: 20 } }])
  t.same(room.scores.list(), [])
  t.same(room.banned, [])
  t.match(room.journal, [{ mode: 'observe', type: 'message_limit', violation_count: 20, ban: true, ban_duration: 7_200_000 }])
  t.same(rateHeaders(exchange.decision), [], 'and the client sees nothing of it')
})

t.test('every limiter of the route stands in the draft headers, the nearest to refusal in the older ones [6]', async (t) => {
  const room = openRoom()
  const odd = limiterOf('odd "name" \\ é', { max: 100, windowMs: 1500 })
  const check = room.checkOf([limiterOf('messageIp', { max: 3 }), limiterOf('messageUser', { max: 2, key: ['user'], windowMs: 300_000 }), odd])
  const first = exchangeOf({ user: 'ann' })
  await check(first)
  room.time.now += 500
  const headers = Object.fromEntries(rateHeaders(first.decision))
  t.equal(headers['ratelimit-policy'], '"messageIp";q=3;w=60, "messageUser";q=2;w=300, "odd \\"name\\" \\\\ ?";q=100;w=2')
  t.equal(headers['ratelimit'], '"messageIp";r=2;t=60, "messageUser";r=1;t=300, "odd \\"name\\" \\\\ ?";r=99;t=2')
  t.same(parseList(headers['ratelimit'] ?? '').map(([name]) => name), ['messageIp', 'messageUser', 'odd "name" \\ ?'])
  t.match(headers, { 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': String((NOW + 300_000) / 1000) })

  for (let i = 0; i < 2; i++) await check(exchangeOf({ user: 'ann' }))
  const refused = exchangeOf({ user: 'ann' })
  t.match(await check(refused), { limiter: 'messageIp' })
  t.match(Object.fromEntries(rateHeaders(refused.decision)), {
    ratelimit: /^"messageIp";r=0;t=60, "messageUser";r=0;t=300/, 'x-ratelimit-remaining': '0', 'x-ratelimit-limit': '2',
  })
  t.same(rateHeaders(undefined), [])
})

t.test('a store that answers later is waited for', async (t) => {
  const room = openRoom()
  const slow: CounterStore = { ...room.counters, decide: async (request) => room.counters.decide(request) }
  const check = room.checkOf([limiterOf('one', { max: 1 })], slow)
  const asked = check(exchangeOf())
  t.type(asked, Promise)
  t.equal(await asked, undefined)
  t.match(await check(exchangeOf()), { kind: 'limit', booking: { after: 1 } })
})

t.test('a store that goes by its own clock is believed: what the client is told counts from its instant', async (t) => {
  const room = openRoom()
  const ahead: CounterStore = {
    ...room.counters, decide: (request) => room.counters.decide({ ...request, now: request.now + 86_400_000 }),
  }
  const check = room.checkOf([limiterOf('one', { max: 1 })], ahead)
  const exchange = exchangeOf()
  await check(exchange)
  t.match(Object.fromEntries(rateHeaders(exchange.decision)), { ratelimit: '"one";r=0;t=60' })
  t.match(await check(exchangeOf()), { retryAfterMs: 60_000, message: '' })
})

t.test('a decision has an id of its own, whatever a client calls its requests; each hit says whose it is', async (t) => {
  const room = openRoom()
  const asked: DecisionRequest[] = []
  const noting: CounterStore = {
    ...room.counters,
    decide (request) {
      asked.push(request)
      return room.counters.decide(request)
    },
  }
  const keys: Limiter['key'][] = [['ip'], ['user'], ['ip', 'user'], ['group'], ['user', 'group'], ['global']]
  const check = room.checkOf(keys.map((key) => limiterOf(key.join('+'), { key })), noting)
  for (let i = 0; i < 2; i++) await check(exchangeOf({ user: 'ann', group: 'g1' }))
  t.equal(new Set(asked.map(({ id }) => id)).size, 2, 'both exchanges have the same id')
  t.same(asked[0]?.hits.map(({ subject }) => subject),
    ['ip:203.0.113.9', 'user:ann', 'user:ann', 'group:g1', 'user:ann', 'global'])
  t.ok(asked[0]?.hits.every(({ cost }) => cost === 1))
  await room.checkOf([limiterOf('guest', { key: ['user'], anonymous: 'ip' })], noting)(exchangeOf({ plan: { authRequired: true } }))
  t.match(asked[2]?.hits, [{ subject: 'ip:203.0.113.9' }])
})

const slotted: ConcurrencyRule = {
  name: 'answers',
  key: ['user'],
  max: 2,
  leaseMs: 300_000,
  release: 'response',
  violation: 'concurrent',
  score: 1,
  observe: false,
  onFailure: 'local',
  stream: undefined,
}

/** The check of a plan that asks for places and slots in one step. */
function openDesk (rule: ConcurrencyRule = slotted) {
  const room = openRoom()
  const asked: DecisionRequest[] = []
  const store: CounterStore & { fail: Error | undefined, failed: Decision | undefined } = {
    ...room.counters,
    fail: undefined,
    failed: undefined,
    decide (request) {
      asked.push(request)
      const decision = room.counters.decide(request)
      if (store.fail !== undefined) throw store.fail
      return store.failed ?? decision
    },
  }
  let ids = 0
  const { desk } = createConcurrency({
    store: room.leases,
    askActive: async () => undefined,
    violations: room.violations,
    refund: () => {},
    clock: room.clock,
    newId: () => `lease-${ids++}`,
    onError: room.onStoreError,
  })
  const limiter = limiterOf('messageUser', { max: 5, key: ['user'], observe: rule.observe })
  const check = room.checkOf([limiter], store, desk)
  const ask = async (user = 'ann') => {
    const exchange = exchangeOf({ user, plan: { concurrency: [rule], mode: rule.observe ? 'observe' : 'enforce' } })
    return { verdict: await check(exchange), exchange }
  }
  const held = () => room.leases.list('user:ann', 'answers', room.time.now).records.length
  return { ...room, store, asked, ask, held }
}

t.test('places and slots are asked for in one question; each refuses as it would alone', async (t) => {
  const { ask, asked, held, scores } = openDesk()
  for (let i = 0; i < 2; i++) t.equal((await ask()).verdict, undefined)
  t.match(asked[0], { hits: [{ bucket: 'user:ann' }], slots: [{ lease: { holder: 'user:ann', rule: 'answers', takenAt: NOW }, max: 2 }] })
  t.equal(held(), 2)
  for (let i = 0; i < 3; i++) {
    const { verdict, exchange } = await ask()
    t.match(verdict, { kind: 'concurrency', rule: 'answers', limit: 2, pending: 2, type: 'concurrent', booking: { after: i + 1 } })
    t.equal(exchange.decision?.states[0]?.charged, 1, 'it has cost its place all the same')
  }
  t.match((await ask()).verdict, { kind: 'limit', rule: 'messageUser', booking: { after: 1 } })
  t.equal(held(), 2, 'who has no place takes no slot')
  t.equal(asked.length, 6)
  t.same(scores.list('user:ann').map(({ type, score }) => [type, score]), [['concurrent', 3], ['message_limit', 1]])
})

t.test('in observe mode both write down what they would have refused, and the request goes on', async (t) => {
  const { ask, held, journal, scores } = openDesk({ ...slotted, observe: true })
  for (let i = 0; i < 5; i++) await ask()
  const { verdict, exchange } = await ask()
  t.equal(verdict, undefined)
  t.match(exchange.observed, [{ kind: 'limit', booking: { after: 1 } }, { kind: 'concurrency', booking: { after: 4 } }])
  t.equal(held(), 2)
  t.same(scores.list(), [])
  t.ok(journal.every(({ mode }) => mode === 'observe'))
})

t.test('a store that fails in the middle refuses with 503 and keeps no slot; one that only observes lets pass', async (t) => {
  for (const observe of [false, true]) {
    const { ask, held, store, errors } = openDesk({ ...slotted, observe })
    store.fail = new Error('away')
    const { verdict } = await ask()
    if (observe) t.equal(verdict, undefined)
    else t.match(verdict, { kind: 'fault', code: 'STORE_UNAVAILABLE', rule: 'messageUser', status: 503, retryAfterMs: 1000 })
    t.same(errors, [store.fail])
    t.equal(held(), 0, 'it had been granted')
    store.fail = undefined
    t.equal((await ask()).verdict, undefined)
  }
})

t.test('a rule that fails closed refuses in its own name, without a rate header', async (t) => {
  const { ask, store } = openDesk()
  const nothing = { at: NOW, states: [], refused: -1, booking: undefined, observed: [], slots: [] }
  store.failed = { ...nothing, unavailable: 'messageUser' }
  const { verdict, exchange } = await ask()
  t.match(verdict, { code: 'STORE_UNAVAILABLE', rule: 'messageUser' })
  t.same(rateHeaders(exchange.decision), [])
  const away = { granted: false, held: 0, repeated: false, booking: undefined, unavailable: true }
  store.failed = { ...nothing, unavailable: undefined, slots: [away] }
  t.match((await ask()).verdict, { code: 'STORE_UNAVAILABLE', rule: 'answers' })
})
