import t from 'tap'
import type { Decision, OnFailure } from '../../src/limits/contract.js'
import { until } from '../helpers/backends.js'
import { runCounterContract } from '../contract/counters.js'
import { runLeaseContract } from '../contract/leases.js'
import { bookingOf, breachFor, hitOf, leaseOf, limiterOf, questionOf, slotOf } from '../contract/limiters.js'
import { runScoreContract } from '../contract/scores.js'
import { runSuspensionContract } from '../contract/suspensions.js'
import { comeBack, isTold, NOW, openGuarded, RETRY_MS, sendAway, SLOW_MS, type GuardRig } from './guarded-rig.js'

const rule = (onFailure: OnFailure, part = {}) => hitOf(limiterOf(onFailure, { onFailure, ...part }))
const isNow = <T>(answer: T | Promise<T>): answer is T => !(answer instanceof Promise)

const callsTo = (stores: GuardRig, name: string) => stores.faraway.calls.filter((call) => call[0] === name)

runCounterContract(t, 'guarded', (t) => openGuarded(t))
runScoreContract(t, 'guarded', (t, clock) => openGuarded(t, { clock }).scores)
runLeaseContract(t, 'guarded', (t) => openGuarded(t))
runSuspensionContract(t, 'guarded', (t) => openGuarded(t))

for (const weather of ['slow', 'lost', 'hangs', 'fails', 'broken'] as const) {
  t.test(`a store that ${weather}: every call is answered in time, then none is sent, and it comes back by itself`, async (t) => {
    const stores = openGuarded(t)
    stores.faraway.weather = weather
    const ask = async () => stores.counters.decide(questionOf([rule('local')], NOW))
    const startedAt = performance.now()
    await stores.counters.decide(questionOf([rule('open')], NOW))
    t.ok(performance.now() - startedAt < SLOW_MS - 100, 'it waits for the deadline, not for the store')
    const decisions = await Promise.all(Array.from({ length: 2000 }, ask))
    t.equal(decisions.filter(({ refused }) => refused < 0).length, 3, 'max pass, in process')
    t.ok(stores.breaker.isOpen)
    const sent = callsTo(stores, 'counters.decide').length
    const decision = stores.counters.decide(questionOf([rule('local')], NOW))
    t.ok(isNow(decision), 'nobody waits for what is known to be away')
    t.equal(callsTo(stores, 'counters.decide').length, sent)
    t.match(stores.health(), { status: 'degraded', reason: /^the shared store has been away for 0 s: / })
    t.equal(stores.meters[0]?.read(), 1)
    await comeBack(stores)
    t.notOk(stores.breaker.isOpen)
    t.same(stores.health(), { status: 'ok' })
    t.equal(callsTo(stores, 'counters.decide').length, sent, 'the probe alone found out')
    t.equal(isNow(stores.counters.decide(questionOf([rule('local')], NOW))), false)
    t.same(stores.lines.filter(({ message }) => /is (away|back)/.test(message)).map(({ level }) => level), ['warn', 'info'])
    t.equal(stores.deadlines() > 0, weather !== 'fails' && weather !== 'broken')
  })
}

t.test('a single failure is decided in process and opens nothing; the reasons name codes and no more', async (t) => {
  const stores = openGuarded(t)
  for (let i = 0; i < 20; i++) {
    stores.faraway.weather = i % 5 < 4 ? 'fails' : 'well'
    t.equal((await stores.counters.decide(questionOf([rule('open')], NOW))).unavailable, undefined)
  }
  t.notOk(stores.breaker.isOpen)
  t.equal(stores.degraded.length, 16)
  t.equal(stores.lines.filter(({ message }) => message.includes('did not answer a call')).length, 1, 'once a minute')
  await sendAway(stores)
  t.match(stores.breaker.absence, { reason: 'it answers READONLY' })
  await comeBack(stores)
  stores.faraway.error = new Error('connect ECONNREFUSED 10.1.2.3:6379')
  await sendAway(stores)
  t.match(stores.breaker.absence, { reason: 'it cannot be reached' })
  await comeBack(stores)
  await sendAway(stores, 'hangs')
  t.match(stores.breaker.absence, { reason: 'its answers come too late' })
})

t.test('an error of one key is decided by its rule alone, told once, and opens nothing', async (t) => {
  const stores = openGuarded(t, { isOfOneKey: (error) => error instanceof Error && error.message.startsWith('WRONGTYPE') })
  stores.faraway.error = new Error('WRONGTYPE Operation against a key holding the wrong kind of value')
  for (const weather of ['fails', 'broken'] as const) {
    stores.faraway.weather = weather
    for (let i = 0; i < 20; i++) await stores.counters.decide(questionOf([rule('open')], NOW))
    t.match(await stores.counters.decide(questionOf([rule('closed')], NOW)), { unavailable: 'closed' })
  }
  t.notOk(stores.breaker.isOpen)
  t.same(stores.health(), { status: 'ok' })
  t.equal(callsTo(stores, 'counters.decide').length, 42, 'each is asked')
  t.match(stores.lines, [{ level: 'warn', message: /holds what is not ours/, details: { reason: /^WRONGTYPE/ } }])
  t.equal(stores.lines.length, 1)
  await sendAway(stores)
  t.notOk(stores.breaker.isOpen)
})

t.test('without a connection nobody is sent, from the start on; with one it is probed soon', async (t) => {
  let tell = (_isConnected: boolean) => {}
  const stores = openGuarded(t, {
    connection: { isConnected: false, onConnection: (listener) => { tell = listener } },
    pace: { minProbeMs: 60_000, maxProbeMs: 60_000 },
    random: () => 0,
  })
  t.ok(isNow(stores.counters.decide(questionOf([rule('local')], NOW))))
  t.equal(stores.faraway.calls.length, 0)
  t.equal(stores.probes(), 0)
  tell(true)
  t.ok(await until(() => !stores.breaker.isOpen))
  tell(false)
  t.ok(isNow(stores.counters.decide(questionOf([rule('local')], NOW))), 'at once, without a failed call')
  stores.faraway.weather = 'fails'
  tell(true)
  t.ok(await until(() => stores.probes() === 2))
  t.ok(stores.breaker.isOpen, 'a connection is not enough')
})

t.test('probes back off, and one that fails again soon after its return is not probed more often for that', async (t) => {
  const stores = openGuarded(t, { pace: { minProbeMs: 5, maxProbeMs: 200 } })
  await sendAway(stores)
  await until(() => stores.probes() >= 4, RETRY_MS)
  await comeBack(stores)
  await sendAway(stores)
  const [before, startedAt] = [stores.probes(), performance.now()]
  await until(() => stores.probes() > before, RETRY_MS)
  t.ok(performance.now() - startedAt > 30, 'slower than the first time')
})

t.test('calls whose answers are awaited no more are bounded', async (t) => {
  const stores = openGuarded(t, { pace: { maxPending: 100, failures: 1_000_000 } })
  stores.faraway.weather = 'hangs'
  for (let round = 0; round < 3; round++) {
    const ask = async () => stores.counters.decide(questionOf([rule('open')], NOW))
    const decisions = await Promise.all(Array.from({ length: 300 }, ask))
    t.ok(decisions.every(({ refused }) => refused === -1))
  }
  t.equal(stores.faraway.calls.length, 100)
})

t.test('each rule decides as it says, in the order of the route', async (t) => {
  const stores = openGuarded(t)
  await sendAway(stores)
  stores.degraded.length = 0
  const decide = (...parts: Parameters<typeof questionOf>) => stores.counters.decide(questionOf(...parts)) as Decision
  const open = rule('open', { max: 7 })
  const local = rule('local', { max: 1 })
  const closed = rule('closed', { max: 1 })
  const breach = breachFor()

  t.match(decide([open, local], NOW), {
    at: NOW, refused: -1, unavailable: undefined, states: [
      { limiter: { name: 'open' }, charged: 0, remaining: 7, resetAt: NOW, retryAt: NOW },
      { limiter: { name: 'local' }, charged: 1, remaining: 0, resetAt: NOW + 60_000 },
    ],
  })
  const refusal = decide([open, { ...local, breach }, open], NOW)
  t.match(refusal, { refused: 1, booking: { after: 1 }, slots: [] })
  t.same(refusal.states.map(({ remaining }) => remaining), [7, 0, 7])
  t.match(decide([{ ...local, breach }, closed], NOW), {
    unavailable: 'closed', refused: -1, booking: undefined, states: [{ charged: 0 }, { charged: 0 }],
  })
  const closedSlot = slotOf(leaseOf('c', { rule: 'messages' }), 2, { onFailure: 'closed' })
  t.match(decide([open], NOW, [closedSlot]), { unavailable: 'messages', slots: [] })
  t.same(stores.degraded, ['local', 'local', 'closed', 'closed'])
  t.match(decide([open], NOW, [slotOf(leaseOf('o'), 2, { onFailure: 'open' })]), { refused: -1, slots: [{ granted: true, held: 0 }] })
  t.equal(stores.degraded.at(-1), 'open')
  t.match(decide([rule('open', { max: 0 })], NOW), { refused: 0 }, 'a rule that lets nothing pass needs no store for it')

  const watched = rule('closed', { name: 'watched', observe: true })
  t.match(decide([watched], NOW), { refused: -1, unavailable: undefined }, 'what only observes never refuses')
  const watchedSlot = slotOf(leaseOf('w'), 0, { onFailure: 'closed', observe: true })
  t.match(decide([], NOW, [watchedSlot]), { slots: [{ granted: true }], unavailable: undefined })
  const shadow = breachFor('user:7', { shadow: true })
  const watching = rule('local', { name: 'watching', observe: true, max: 0 })
  const observed = [{ hit: 1, booking: { after: 1 } }]
  t.match(decide([open, { ...watching, breach: shadow }, open], NOW), { refused: -1, observed })
})

t.test('slots of several rules keep their places, up to the first that is not granted', async (t) => {
  const stores = openGuarded(t)
  await sendAway(stores)
  const slots = (id: string) => [
    slotOf(leaseOf(id, { rule: 'free' }), 1, { onFailure: 'open' }),
    slotOf(leaseOf(id, { rule: 'narrow' }), 1, { breach: breachFor() }),
    slotOf(leaseOf(id, { rule: 'last' }), 1, { onFailure: 'open' }),
  ]
  const ask = (id: string) => (stores.counters.decide(questionOf([rule('open')], NOW, slots(id))) as Decision).slots
  t.match(ask('a').map(({ granted, held }) => [granted, held]), [[true, 0], [true, 1], [true, 0]])
  t.match(ask('b'), [{ granted: true }, { granted: false, held: 1, booking: { after: 1 } }])
  t.equal(ask('c').length, 2)
})

t.test('counts of an absence hold until their windows end, so that a store that comes and goes lets nobody in again', async (t) => {
  const stores = openGuarded(t)
  const refusedAway = async () => {
    await sendAway(stores)
    const { refused } = await stores.counters.decide(questionOf([rule('local', { max: 1 })], NOW))
    await comeBack(stores)
    return refused
  }
  t.same([await refusedAway(), await refusedAway()], [-1, 0])
})

t.test('a decision whose answer was lost: its slot is given back there, and its violation counts once', async (t) => {
  const stores = openGuarded(t)
  const full = rule('local', { max: 0 })
  const breach = breachFor()
  stores.faraway.weather = 'lost'
  const decided = await stores.counters.decide(questionOf([{ ...full, breach }], NOW))
  t.match(decided, { refused: 0, booking: { after: 1 } })
  t.match(await stores.counters.decide(questionOf([], NOW, [slotOf(leaseOf('a'), 1)])), { slots: [{ granted: true, held: 1 }] })
  t.match(await stores.leases.take({ ...slotOf(leaseOf('b', { holder: 'user:43' }), 1), id: 'b', now: NOW }), { granted: true })
  stores.faraway.weather = 'well'
  t.ok(await isTold(stores))
  t.match(await stores.faraway.stores.scores.list('user:42'), [{ total: 1, score: 1 }])
  for (const holder of ['user:42', 'user:43']) {
    t.same((await stores.faraway.stores.leases.list(holder, 'messages', NOW)).records, [])
  }
  t.match((await stores.leases.list('user:42', 'messages', NOW)).records, [{ id: 'a' }], 'it lives in process')
  await stores.leases.release(leaseOf('a'))
  t.same((await stores.leases.list('user:42', 'messages', NOW)).records, [])
})

t.test('a slow decision that crossed the interval brings its ban when its answer comes', async (t) => {
  const stores = openGuarded(t)
  for (let i = 0; i < 19; i++) await stores.scores.book(bookingOf(breachFor(), NOW))
  const hit = { ...rule('local', { max: 1 }), breach: breachFor() }
  await stores.counters.decide(questionOf([hit], NOW))
  stores.faraway.weather = 'slow'
  t.match(await stores.counters.decide(questionOf([hit], NOW)), { refused: -1 }, 'in process there was room')
  t.ok(await until(() => stores.crossings.length > 0, RETRY_MS))
  const booking = { before: 19, after: 20, crossed: true }
  t.match(stores.crossings, [{ breach: { subject: 'user:42' }, booking, happenedAt: NOW }])
})
