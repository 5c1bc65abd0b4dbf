import t from 'tap'
import type { Decision } from '../../src/limits/contract.js'
import type { BookRequest } from '../../src/violations/contract.js'
import { until } from '../helpers/backends.js'
import { bookingOf, breachFor, hitOf, leaseOf, limiterOf, questionOf, slotOf, takeOf } from '../contract/limiters.js'
import {
  comeBack, isTold, NOW, openGuarded, RETRY_MS, sendAway, SLOW_MS, waiting, type Faraway, type GuardRig,
} from './guarded-rig.js'

const HOUR_MS = 3_600_000
const full = limiterOf('full', { max: 0 })

const argsOf = <T>(faraway: Faraway, name: string, is: (value: unknown) => value is T): T[] =>
  faraway.calls.filter((call) => call[0] === name).map((call) => call[1]).filter(is)
const isBooking = (value: unknown): value is BookRequest => typeof value === 'object' && value !== null && 'breach' in value
const callsOf = (faraway: Faraway, name: string) => argsOf(faraway, name, isBooking).length
const booked = ({ faraway }: GuardRig) => argsOf(faraway, 'scores.book', isBooking)
const scoreOf = async ({ faraway }: GuardRig, subject = 'user:42') => (await faraway.stores.scores.list(subject))[0]?.score

/** Books so many violations, each its own. */
async function offend (stores: GuardRig, times: number, breach = breachFor()): Promise<void> {
  for (let i = 0; i < times; i++) await stores.scores.book(bookingOf(breach, NOW))
}

t.test('violations of an absence count at once in process, and in the store when it returns, in order and dated', async (t) => {
  const stores = openGuarded(t)
  await sendAway(stores)
  const violations = Array.from({ length: 250 }, (_, i) => bookingOf(breachFor(`user:${i % 5}`), NOW))
  const bookings = violations.map((violation) => stores.scores.book(violation))
  t.equal(bookings.filter((booking) => 'crossed' in booking && booking.crossed).length, 10, 'bans go on being placed')
  t.same(waiting(stores), [250, 0, 0, 0])
  t.match(stores.scores.list('user:1'), [{ score: 50 }])
  stores.advance(1000)
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.same(booked(stores), violations.map((violation) => ({ ...violation, again: true, ageMs: 1000 })))
  t.equal(await scoreOf(stores, 'user:1'), 50)
  await sendAway(stores)
  t.match(stores.scores.book(bookingOf(breachFor('user:1'), NOW)), { before: 0, after: 1 }, 'what the store knows is forgotten here')
})

t.test('what a decision books in process is kept under the id that the store would book it under', async (t) => {
  const stores = openGuarded(t)
  await sendAway(stores)
  const shadow = breachFor('user:7', { shadow: true })
  const open = hitOf(limiterOf('open', { onFailure: 'open' }))
  const watched = hitOf(limiterOf('watched', { max: 0, observe: true }), undefined, { breach: shadow })
  const refusing = questionOf([open, watched, hitOf(full, undefined, { breach: breachFor() })], NOW)
  t.match(stores.counters.decide(refusing), { refused: 2, booking: { after: 1 }, observed: [{ hit: 1 }] })
  const narrow = { breach: breachFor('user:42', { type: 'concurrent' }) }
  const slots = questionOf([], NOW, [slotOf(leaseOf('a'), 1, narrow), slotOf(leaseOf('b'), 1, narrow)])
  const { slots: taken } = stores.counters.decide(slots) as Decision
  t.match(taken, [{ granted: true }, { granted: false, booking: { after: 1 } }])
  const take = takeOf(leaseOf('c'), 1, { ...narrow, now: NOW })
  t.match(stores.leases.take(take), { granted: false, booking: { after: 2 } })
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.same(booked(stores).map(({ id, breach }) => [id, breach.type, breach.shadow]), [
    [`${refusing.id}/1`, 'message_limit', true], [refusing.id, 'message_limit', false],
    [slots.id, 'concurrent', false], [take.id, 'concurrent', false],
  ])
})

t.test('a booking whose answer was lost counts once', async (t) => {
  const stores = openGuarded(t)
  stores.faraway.weather = 'lost'
  t.match(await stores.scores.book(bookingOf(breachFor(), NOW)), { before: 0, after: 1 })
  stores.faraway.weather = 'well'
  t.ok(await isTold(stores))
  t.equal(booked(stores).length, 2)
  t.match(await stores.faraway.stores.scores.list('user:42'), [{ total: 1, score: 1 }])
})

t.test('a crossing that only the store sees brings its ban; not a shadow, nor what ran out, nor what was forgiven', async (t) => {
  const stores = openGuarded(t)
  const subjects = ['user:42', 'user:forgiven', 'user:shadow', 'user:old']
  const breachOf = (subject: string) =>
    breachFor(subject, { shadow: subject === 'user:shadow', ttlMs: subject === 'user:old' ? 500 : HOUR_MS })
  for (const subject of subjects) await offend(stores, 19, breachOf(subject))
  await sendAway(stores)
  for (const subject of subjects) await offend(stores, 1, breachOf(subject))
  await stores.scores.reset('user:forgiven')
  t.same(stores.scores.list('user:forgiven'), [{
    type: 'message_limit', subject: 'user:forgiven', total: 1, score: 0, updatedAt: NOW, scoreExpiresAt: NOW + HOUR_MS,
  }], 'at once here')
  stores.advance(1000)
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.match(stores.crossings, [{ breach: { subject: 'user:42' }, booking: { after: 20 }, happenedAt: NOW }])
  t.equal(stores.crossings.length, 1)
  t.equal(await scoreOf(stores, 'user:forgiven'), 0, 'the reset came behind the violation')
})

t.test('what happened before a lift that another process made brings neither points nor a ban', async (t) => {
  const stores = openGuarded(t)
  const [crossed, lifts]: [string[], Map<string, number>] = [[], new Map()]
  stores.onLateCrossing(({ breach }) => { crossed.push(breach.subject) }, (subject) => lifts.get(subject) ?? 0)
  await sendAway(stores)
  for (const subject of ['user:42', 'user:lifted', 'user:again']) await offend(stores, 25, breachFor(subject))
  for (const subject of ['user:lifted', 'user:again']) lifts.set(subject, NOW)
  for (let i = 0; i < 21; i++) await stores.scores.book(bookingOf(breachFor('user:again'), NOW + 1))
  stores.advance(1000)
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.same(crossed, ['user:42', 'user:again'])
  t.match(await stores.faraway.stores.scores.list('user:lifted'), [{ total: 25, score: 0 }])
  t.match(await stores.faraway.stores.scores.list('user:again'), [{ total: 46, score: 21 }])
})

t.test('a lift that comes while the store answers late is not undone', async (t) => {
  const stores = openGuarded(t)
  await offend(stores, 19)
  let liftedAt = 0
  stores.onLateCrossing((crossing) => { stores.crossings.push(crossing) }, () => liftedAt)
  stores.faraway.weather = 'slow'
  await stores.counters.decide(questionOf([hitOf(full, undefined, { breach: breachFor() })], NOW))
  liftedAt = NOW
  stores.faraway.weather = 'well'
  const said = stores.faraway.calls.length
  await until(async () => (await scoreOf(stores)) === 20, RETRY_MS)
  t.ok(await isTold(stores))
  await new Promise((resolve) => setTimeout(resolve, SLOW_MS + 100))
  t.ok(stores.faraway.calls.length > said)
  t.same(stores.crossings, [])
})

t.test('a ban that cannot be placed late is told, and the rest goes on', async (t) => {
  const stores = openGuarded(t)
  stores.onLateCrossing(async () => { throw new Error('no disk') })
  await sendAway(stores)
  await offend(stores, 25)
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.equal(stores.lines.filter(({ level, message }) => level === 'error' && message === 'A ban could not be placed').length, 1)
  t.equal(await scoreOf(stores), 25)
})

t.test('the outbox is bounded: the oldest are given up, counted, and told of once', async (t) => {
  const stores = openGuarded(t, { pace: { minProbeMs: 5, maxProbeMs: 20, pauseMs: 1, maxItems: 100 } })
  await sendAway(stores)
  await offend(stores, 50, breachFor('user:early'))
  await offend(stores, 100, breachFor('user:late'))
  t.same(waiting(stores), [100, 0, 0, 50])
  t.equal(stores.lines.filter(({ message }) => message.includes('given up')).length, 1)
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.equal(await scoreOf(stores, 'user:early'), undefined)
  t.equal(await scoreOf(stores, 'user:late'), 100)
})

t.test('events while the outbox is sent, and a store that comes and goes, lose and double nothing', async (t) => {
  const stores = openGuarded(t)
  await sendAway(stores)
  let events = 0
  const offendOnce = async () => { events++; await offend(stores, 1) }
  for (let i = 0; i < 300; i++) await offendOnce()
  for (const weather of ['fails', 'lost', 'slow', 'hangs'] as const) {
    await comeBack(stores)
    const before = waiting(stores)[0] ?? 0
    await until(() => (waiting(stores)[0] ?? 0) < before, RETRY_MS)
    for (let i = 0; i < 20; i++) await offendOnce()
    stores.faraway.weather = weather
    await Promise.all(Array.from({ length: 10 }, offendOnce))
  }
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.match(await stores.faraway.stores.scores.list('user:42'), [{ total: events, score: events }])
})

t.test('one item that the store will never take stops nobody else, and is given up', async (t) => {
  const stores = openGuarded(t, { pace: { minProbeMs: 5, maxProbeMs: 20, pauseMs: 0.001 } })
  const { scores } = stores.faraway.stores
  const { book } = scores
  let [tries, toldBefore] = [0, 0]
  Object.assign(scores, {
    book: async (request: BookRequest) => {
      if (request.breach.subject !== 'user:poison') return await book(request)
      tries++
      toldBefore = callsOf(stores.faraway, 'scores.book')
      throw new Error('WRONGTYPE Operation against a key holding the wrong kind of value')
    },
  })
  await sendAway(stores)
  await offend(stores, 1, breachFor('user:poison'))
  await offend(stores, 150, breachFor('user:well'))
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.same([tries, ...waiting(stores)], [12, 0, 0, 0, 1])
  t.equal(toldBefore, 150, 'it waits behind the others')
  t.equal(await scoreOf(stores, 'user:well'), 150)
  t.notOk(stores.breaker.isOpen)
})

t.test('at the end what waits is sent, as far as the store lets it, and the rest is told of', async (t) => {
  const stores = openGuarded(t, { pace: { minProbeMs: 5, maxProbeMs: 20, pauseMs: 60_000 } })
  await sendAway(stores)
  await offend(stores, 400)
  await comeBack(stores)
  await stores.close(RETRY_MS)
  t.equal(await scoreOf(stores), 400)
  const told = stores.lines.length
  stores.connect(false)
  t.equal(stores.lines.length, told, 'the connection that is closed afterwards is no news')

  const cut = openGuarded(t)
  await sendAway(cut, 'hangs')
  await offend(cut, 3)
  const startedAt = performance.now()
  await cut.close(50)
  t.ok(performance.now() - startedAt < 500)
  t.match(cut.lines.at(-1), { level: 'warn', details: { violations: 3, releases: 0 } })
})

t.test('a store that stops answering while it is told the last things holds up nobody', async (t) => {
  const stores = openGuarded(t, { pace: { minProbeMs: 5, maxProbeMs: 20, pauseMs: 60_000 } })
  await sendAway(stores)
  await offend(stores, 3)
  await comeBack(stores)
  stores.faraway.weather = 'hangs'
  const startedAt = performance.now()
  await stores.close(50)
  t.ok(performance.now() - startedAt < 500)
  t.match(stores.lines.at(-1), { level: 'warn', details: { violations: 3 } })
})

t.test('leases: what was granted in process is renewed, bound and released there, also after the return', async (t) => {
  const stores = openGuarded(t)
  await sendAway(stores)
  const [a, b, c] = [leaseOf('a'), leaseOf('b'), leaseOf('c')] as const
  t.match(stores.leases.take(takeOf(a, 2, { now: NOW })), { granted: true, held: 1, unavailable: false })
  t.match(stores.leases.take(takeOf(b, 2, { now: NOW })), { granted: true, held: 2 })
  t.match(stores.leases.take(takeOf(c, 2, { now: NOW })), { granted: false, held: 2 })
  t.match(stores.leases.take(takeOf(c, 2, { now: NOW, onFailure: 'closed' })), { granted: false, unavailable: true })
  const unheld = leaseOf('unheld')
  t.match(stores.leases.take(takeOf(unheld, 0, { now: NOW, onFailure: 'open' })), { granted: true, held: 0 })
  await comeBack(stores)
  const before = stores.faraway.calls.length
  await stores.leases.renew(a, 10 * HOUR_MS, NOW)
  t.equal(await stores.leases.bind({ lease: a, stream: 's', repeatKey: 'm', now: NOW }), undefined)
  t.match(await stores.leases.bind({ lease: b, stream: 's', repeatKey: 'm', now: NOW }), { id: 'a' })
  await stores.leases.renew(unheld, 1, NOW)
  await stores.leases.release(unheld)
  t.equal(await stores.leases.bind({ lease: unheld, stream: 's', repeatKey: 'm', now: NOW }), undefined)
  t.equal(stores.faraway.calls.length, before, 'the store is not asked')
  t.match(await stores.leases.take(takeOf(c, 2, { now: NOW })), { granted: true, held: 1 }, 'it counts on its own')
  t.match((await stores.leases.list('user:42', 'messages', NOW)).records, [
    { id: 'c' }, { id: 'a', stream: 's', expiresAt: NOW + 10 * HOUR_MS }, { id: 'b' },
  ])
  for (const record of (await stores.leases.list('user:42', 'messages', NOW)).records) await stores.leases.release(record)
  t.same((await stores.leases.list('user:42', 'messages', NOW)).records, [])
})

t.test('leases: a blip when a message is bound, or ends, leaves no slot behind', async (t) => {
  const stores = openGuarded(t)
  const there = async () => (await stores.faraway.stores.leases.list('user:42', 'messages', NOW)).records
  const [held, ended, bound] = [leaseOf('held'), leaseOf('ended'), leaseOf('bound')] as const
  await stores.counters.decide(questionOf([], NOW, [slotOf(held, 4)]))
  for (const lease of [ended, bound]) await stores.leases.take(takeOf(lease, 4, { now: NOW }))
  await stores.leases.bind({ lease: ended, stream: 'one', repeatKey: 'm', now: NOW })
  // Another instance's message, whose stream passes here.
  const foreign = leaseOf('foreign')
  await stores.faraway.stores.leases.take(takeOf(foreign, 4, { now: NOW }))
  await stores.faraway.stores.leases.bind({ lease: foreign, stream: 'two', repeatKey: undefined, now: NOW })
  await stores.leases.list('user:42', 'messages', NOW)

  await sendAway(stores)
  t.match(stores.leases.bind({ lease: bound, stream: 'one', repeatKey: 'm', now: NOW }), { id: 'ended' }, 'a repetition is known')
  const { records } = stores.leases.list('user:42', 'messages', NOW) as Awaited<ReturnType<typeof stores.leases.list>>
  t.same(records.map(({ id, stream }) => [id, stream]).sort(), [
    ['bound', 'one'], ['ended', 'one'], ['foreign', 'two'], ['held', undefined],
  ])
  for (const record of records) if (record.id === 'ended' || record.id === 'foreign') await stores.leases.release(record)
  t.same(waiting(stores), [0, 3, 0, 0])
  t.equal((await there().catch(() => [])).length, 0, 'it is away')
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.same((await there()).map(({ id, stream }) => [id, stream]).sort(), [['bound', 'one'], ['held', undefined]])
})

t.test('looks and resets while the store is away know of what happened since, and never reject', async (t) => {
  const stores = openGuarded(t)
  await offend(stores, 3, breachFor('user:before'))
  await sendAway(stores, 'broken')
  await offend(stores, 1, breachFor('user:since'))
  t.match(stores.scores.list(), [{ subject: 'user:since' }])
  t.same(stores.scores.cleanSince(['user:before', 'user:since'], NOW - 1), ['user:before'])
  await stores.scores.reset('user:before')
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.equal(await scoreOf(stores, 'user:before'), 0)
})
