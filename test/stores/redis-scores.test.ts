import t from 'tap'
import { until } from '../helpers/backends.js'
import type { BookRequest } from '../../src/violations/contract.js'
import { runScoreContract } from '../contract/scores.js'
import { bookingOf, breachFor, hitOf, leaseOf, limiterOf, questionOf, takeOf } from '../contract/limiters.js'
import { DAY, everyKeyExpires, noteCommands, NOW, openRedis, startPlaces } from './redis-rig.js'

const HOUR = 3_600_000
const places = await startPlaces(t)

for (const place of places) {
  const { name, isCluster } = place

  runScoreContract(t, name, async (t, clock) => (await openRedis(t, place, { clock })).scores)

  t.test(`${name}: 200 at once over two instances are 200 points, and each multiple is crossed once`, async (t) => {
    const prefix = `${name}-parallel:`
    const instances = await Promise.all([1, 2].map(() => openRedis(t, place, { prefix, time: 'server' })))
    const [one, other] = instances
    // By a refusal whose subject lies elsewhere, by one whose does not, for a lease, and by itself.
    const elsewhere = hitOf(limiterOf('ip', { max: 0 }), 'ip:203.0.113.9', { breach: breachFor() })
    const here = hitOf(limiterOf('user', { max: 0 }), 'user:42', { breach: breachFor() })
    const bookings = await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const stores = i % 8 < 4 ? one : other
      switch (i % 4) {
        case 0: return (await stores?.counters.decide(questionOf([elsewhere], NOW)))?.booking
        case 1: return (await stores?.counters.decide(questionOf([here], NOW)))?.booking
        case 2: return (await stores?.leases.take(takeOf(leaseOf('a'), 0, { now: NOW, breach: breachFor() })))?.booking
        default: return await stores?.scores.book(bookingOf(breachFor(), NOW))
      }
    }))
    const afters = bookings.map((booking) => booking?.after ?? 0).sort((a, b) => a - b)
    t.same(afters, Array.from({ length: 200 }, (_, i) => i + 1))
    t.equal(bookings.filter((booking) => booking?.crossed).length, 10)
    for (const { scores } of instances) t.match(await scores.list('user:42'), [{ total: 200, score: 200 }])
  })

  t.test(`${name}: what is booked late shortens nothing, and what would have run out is only counted`, async (t) => {
    const { scores } = await openRedis(t, place, { clock: () => NOW })
    const late = (ageMs: number, score = 5) =>
      scores.book({ ...bookingOf(breachFor('user:42', { score }), NOW - ageMs), again: true, ageMs })
    t.match(await late(2 * HOUR), { before: 0, after: 0, at: NOW - 2 * HOUR, crossed: false })
    t.match(await scores.list('user:42'), [{ total: 1, score: 0, updatedAt: NOW - 2 * HOUR }])
    t.match(await late(HOUR / 2), { before: 0, after: 5, at: NOW - HOUR / 2 }, 'it still counts')
    t.match(await scores.list('user:42'), [{ scoreExpiresAt: NOW + HOUR / 2, updatedAt: NOW - HOUR / 2 }])
    await scores.book(bookingOf(breachFor(), NOW))
    t.match(await late(HOUR / 2, 14), { before: 6, after: 20, crossed: true })
    t.match(await late(HOUR), { before: 20, after: 20 })
    t.match(await scores.list('user:42'), [{ total: 5, score: 20, updatedAt: NOW, scoreExpiresAt: NOW + HOUR }])
  })

  t.test(`${name}: an age is taken from the server's clock`, async (t) => {
    const { scores } = await openRedis(t, place, { time: 'server', clock: Date.now })
    const before = Date.now()
    const { at } = await scores.book({ ...bookingOf(breachFor(), 0), ageMs: HOUR / 2 })
    t.ok(at >= before - HOUR / 2 - 1 && at <= Date.now() - HOUR / 2 + 1)
    t.match(await scores.list('user:42'), [{ score: 1, updatedAt: at, scoreExpiresAt: at + HOUR }])
  })

  t.test(`${name}: thousands of bookings are known by their ids, and the ids are kept within bounds`, async (t) => {
    const { link, scores } = await openRedis(t, place)
    const [last, before] = [link.key('user:42', 'bookings'), link.key('user:42', 'bookings:before')]
    const book = async (request: BookRequest) => await scores.book(request)
    const bookAll = (requests: BookRequest[]) => Promise.all(requests.map(book))
    const someOf = (count: number) => Array.from({ length: count }, () => bookingOf(breachFor(), NOW))
    /** As if so many more had been booked. */
    const fill = (count: number) =>
      link.fast.hset(last, Object.fromEntries(Array.from({ length: count }, (_, i) => [`id ${i}`, '0 0 0 0'])))
    const requests = someOf(300)
    const answers = await bookAll(requests)
    // One more that was never booked must not push the next one out, and so on.
    t.same((await bookAll([...someOf(1), ...requests])).slice(1), answers, 'told again')
    t.match(await scores.list('user:42'), [{ total: 301 }])
    await fill(9_698)
    await bookAll(someOf(1))
    t.equal(await link.fast.exists(before), 0)
    await bookAll(someOf(1))
    t.same([await link.fast.hlen(before), await link.fast.hlen(last)], [10_001, 1], 'and their age')
    t.same(await bookAll(requests), answers)
    await bookAll(someOf(1))
    await link.fast.hset(last, ':age', 60_000)
    await fill(253)
    await bookAll(someOf(1))
    t.equal(await link.fast.hlen(before), 10_001)
    await bookAll(someOf(1))
    t.equal(await link.fast.hlen(before), 257, 'after a minute 256 are enough')
    t.match(await bookAll(requests.slice(0, 1)), [{ before: 306 }], 'forgotten')
    t.ok(await link.fast.pttl(last) > 3_590_000 && await link.fast.pttl(before) > 3_500_000)
  })

  t.test(`${name}: while nobody books, bookings do not grow old`, async (t) => {
    const { link, scores } = await openRedis(t, place)
    const key = link.key('user:42', 'bookings')
    await scores.book(bookingOf(breachFor(), NOW))
    await link.fast.pexpire(key, 600_000)
    await scores.book(bookingOf(breachFor(), NOW))
    t.equal(await link.fast.hget(key, ':age'), '10000', 'of 50 minutes')
  })

  t.test(`${name}: records are kept as long as the longest of them needs, and forgotten after that`, async (t) => {
    let now = NOW
    const { link, scores } = await openRedis(t, place, { clock: () => now })
    const ttl = () => link.fast.pttl(link.key('user:42', 'scores'))
    await scores.book(bookingOf(breachFor(), now))
    t.ok(Math.abs(await ttl() - 30 * DAY) < 60_000, 'the retention')
    await scores.book(bookingOf(breachFor('user:42', { type: 'logins', ttlMs: null }), now))
    t.ok(await ttl() > 4 * 365 * DAY)
    await scores.book(bookingOf(breachFor(), now))
    t.ok(await ttl() > 4 * 365 * DAY, 'no booking shortens it')
    now += 31 * DAY
    t.match(await scores.list('user:42'), [{ type: 'logins', score: 1 }], 'the other is past its retention')
    t.match(await scores.book(bookingOf(breachFor(), now)), { before: 0, after: 1 })
    t.match((await scores.list('user:42')).find(({ type }) => type === 'message_limit'), { total: 1 })
  })

  t.test(`${name}: subjects with violations are listed without a scan, noted once a minute`, async (t) => {
    let now = NOW
    const { link, scores, counters } = await openRedis(t, place, { clock: () => now })
    const sent = noteCommands(link.calm)
    const noted = () => sent.filter((command) => command === 'evalsha').length
    const refused = hitOf(limiterOf('shut', { max: 0 }), 'user:2', { breach: breachFor('user:2') })
    for (let i = 0; i < 10; i++) {
      await scores.book(bookingOf(breachFor('user:1'), now))
      await counters.decide(questionOf([refused], now))
      await scores.book(bookingOf(breachFor('user:3', { shadow: true }), now))
    }
    t.equal(noted(), 2)
    const subjects = async (since?: number) =>
      (await (since === undefined ? scores.list() : scores.changedSince(since))).map(({ subject }) => subject).sort()
    t.same(await subjects(), ['user:1', 'user:2'])
    now += 59_999
    await scores.book(bookingOf(breachFor('user:1'), now))
    t.equal(noted(), 2)
    t.same(await subjects(now), ['user:1', 'user:2'], 'changed since, though noted before')
    now += 30_000
    await scores.book(bookingOf(breachFor('user:1'), now))
    t.equal(noted(), 3)
    t.same(await subjects(now), ['user:1'])
    await scores.reset('user:2')
    t.same(await subjects(now), ['user:1', 'user:2'], 'a reset is a change')
    await scores.reset('user:nobody')
    now += 40 * DAY
    await scores.book(bookingOf(breachFor('user:4'), now))
    t.same(await subjects(), ['user:4'])
    t.notOk(sent.some((command) => command === 'scan' || command === 'keys'))
    t.equal(await link.calm.zcard(link.key('violations', 'subjects')), 1, 'trimmed by retention')
  })

  t.test(`${name}: a look at many subjects ${isCluster ? 'crosses nodes' : 'is one batch'}, and a reset spares other subjects`, async (t) => {
    const { scores } = await openRedis(t, place)
    const all = Array.from({ length: 300 }, (_, i) => `user:${i}`)
    await Promise.all(all.map(async (subject, i) => scores.book(bookingOf(breachFor(subject), NOW + i % 2))))
    t.equal((await scores.cleanSince(all, NOW)).length, 150)
    await scores.reset('user:7')
    const records = await scores.list()
    t.equal(records.length, 300)
    t.same(records.filter(({ score }) => score === 0).map(({ subject }) => subject), ['user:7'])
  })
}

t.test('an index that cannot be written is told once, and the violation is booked all the same', async (t) => {
  const [redis] = places
  const { link, scores, log } = await openRedis(t, redis)
  await link.calm.set(link.key('violations', 'subjects'), 'a foreign value', 'PX', 60_000)
  for (const id of [1, 2, 3]) t.match(await scores.book(bookingOf(breachFor(`user:${id}`), NOW)), { after: 1 })
  t.ok(await until(() => log.lines.length > 0))
  t.equal(log.lines.length, 1)
  await link.calm.del(link.key('violations', 'subjects'))
  await scores.book(bookingOf(breachFor('user:1'), NOW))
  t.match((await scores.list()).map(({ subject }) => subject), ['user:1'], 'noted with the next')
})

everyKeyExpires(t, places)
