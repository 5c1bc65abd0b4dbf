import type { Test } from 'tap'
import type { CounterStore } from '../../src/limits/contract.js'
import type { ScoreStore } from '../../src/violations/contract.js'
import { breachFor, hitOf, limiterOf } from './limiters.js'

export interface CounterStores { readonly counters: CounterStore, readonly scores: ScoreStore }
type MakeStores = (t: Test) => CounterStores | Promise<CounterStores>

const NOW = Date.parse('2026-11-21T12:00:00Z')

/** What every store of counters must hold; `scores` are those in which its bookings show. */
export function runCounterContract (t: Test, name: string, makeStores: MakeStores): void {
  t.test(`${name}: max pass and max + 1 is refused, in parallel too`, async (t) => {
    const { counters } = await makeStores(t)
    const limiter = limiterOf('messageIp', { max: 40 })
    const decisions = await Promise.all(Array.from({ length: 100 }, async () => counters.decide([hitOf(limiter)], NOW)))
    t.equal(decisions.filter(({ refused }) => refused < 0).length, 40)
    const remaining = decisions.map(({ states }) => states[0]?.remaining)
    t.same(new Set(remaining).size, 40, 'every admitted request sees a number of its own')
  })

  t.test(`${name}: a window starts at the first hit, ends however much was refused, and then is empty`, async (t) => {
    const { counters } = await makeStores(t)
    const limiter = limiterOf('messageIp', { max: 2 })
    const ask = async (at: number) => counters.decide([hitOf(limiter)], at)
    t.equal((await ask(NOW + 5000)).refused, -1)
    t.equal((await ask(NOW + 30_000)).refused, -1)
    for (let at = NOW + 31_000; at < NOW + 65_000; at += 1000) {
      const { refused, states } = await ask(at)
      t.equal(refused, 0)
      t.match(states[0], { remaining: 0, charged: false, resetAt: NOW + 65_000, retryAt: NOW + 65_000 })
    }
    const next = await ask(NOW + 65_000)
    t.equal(next.refused, -1)
    t.match(next.states[0], { remaining: 1, charged: true, resetAt: NOW + 125_000 })
  })

  t.test(`${name}: what the first limiter refuses never costs a place in the second`, async (t) => {
    const { counters } = await makeStores(t)
    const ip = limiterOf('messageIp', { max: 1 })
    const user = limiterOf('messageUser', { max: 5, key: ['user'] })
    const hits = [hitOf(ip), hitOf(user, 'user:42')]
    await counters.decide(hits, NOW)
    for (let i = 0; i < 10; i++) {
      const { refused, states } = await counters.decide(hits, NOW)
      t.equal(refused, 0)
      t.match(states[1], { remaining: 4, charged: false })
    }
  })

  t.test(`${name}: what was charged before a refusal stays charged`, async (t) => {
    const { counters } = await makeStores(t)
    const ip = limiterOf('messageIp', { max: 10 })
    const user = limiterOf('messageUser', { max: 1, key: ['user'] })
    const hits = [hitOf(ip), hitOf(user, 'user:42')]
    await counters.decide(hits, NOW)
    const { refused, states } = await counters.decide(hits, NOW)
    t.equal(refused, 1)
    t.match(states[0], { remaining: 8, charged: true })
  })

  t.test(`${name}: buckets and limiters do not share places, routes of one limiter do`, async (t) => {
    const { counters } = await makeStores(t)
    const max = 1
    const one = limiterOf('one', { max })
    t.equal((await counters.decide([hitOf(one, 'ip:203.0.113.1')], NOW)).refused, -1)
    t.equal((await counters.decide([hitOf(one, 'ip:203.0.113.2')], NOW)).refused, -1)
    t.equal((await counters.decide([hitOf(limiterOf('two', { max }), 'ip:203.0.113.1')], NOW)).refused, -1)
    t.equal((await counters.decide([hitOf(limiterOf('one', { max }), 'ip:203.0.113.1')], NOW)).refused, 0)
  })

  t.test(`${name}: a peek takes nothing, a charge counts whatever the fill, a refund gives back`, async (t) => {
    const { counters } = await makeStores(t)
    for (const algorithm of ['fixed-window', 'sliding-window', 'gcra'] as const) {
      const limiter = limiterOf(algorithm, { max: 3, algorithm })
      const remaining = async () => (await counters.decide([hitOf(limiter, 'ip:x', { peek: true })], NOW)).states[0]?.remaining
      for (let i = 0; i < 5; i++) t.equal(await remaining(), 3)
      await counters.charge(limiter, 'ip:x', NOW)
      t.equal(await remaining(), 2)
      for (let i = 0; i < 4; i++) await counters.charge(limiter, 'ip:x', NOW)
      t.equal((await counters.decide([hitOf(limiter, 'ip:x', { peek: true })], NOW)).refused, 0)
      const other = limiterOf(`${algorithm}-refund`, { max: 3, algorithm })
      await counters.decide([hitOf(other)], NOW)
      await counters.decide([hitOf(other)], NOW)
      await counters.refund(other, hitOf(other).bucket, NOW)
      t.equal((await counters.decide([hitOf(other, undefined, { peek: true })], NOW)).states[0]?.remaining, 2)
      await counters.refund(other, 'ip:never-seen', NOW)
      t.equal((await counters.decide([hitOf(other, 'ip:never-seen')], NOW)).states[0]?.remaining, 2, 'no credit from nowhere')
    }
  })

  t.test(`${name}: nothing passes a max of 0, and the client hears of a finite wait`, async (t) => {
    const { counters } = await makeStores(t)
    for (const algorithm of ['fixed-window', 'sliding-window', 'gcra'] as const) {
      const { refused, states } = await counters.decide([hitOf(limiterOf(algorithm, { max: 0, algorithm }))], NOW)
      t.equal(refused, 0)
      t.match(states[0], { remaining: 0, retryAt: NOW + 60_000 })
    }
  })

  t.test(`${name}: 200 parallel refusals book 200 points, each bans at its own multiple, and admissions book nothing`, async (t) => {
    const { counters, scores } = await makeStores(t)
    const hits = [hitOf(limiterOf('messageIp', { max: 10 }), undefined, { breach: breachFor() })]
    const decisions = await Promise.all(Array.from({ length: 210 }, async () => counters.decide(hits, NOW)))
    const bookings = decisions.flatMap(({ booking }) => booking === undefined ? [] : [booking])
    t.equal(bookings.length, 200)
    t.equal(bookings.filter(({ crossed }) => crossed).length, 10)
    t.same(bookings.map(({ after }) => after).sort((a, b) => a - b), Array.from({ length: 200 }, (_, i) => i + 1))
    t.match(await scores.list('user:42'), [{ type: 'message_limit', total: 200, score: 200 }])
  })

  t.test(`${name}: only the refusing limiter's breach is booked`, async (t) => {
    const { counters, scores } = await makeStores(t)
    const first = hitOf(limiterOf('first', { max: 0 }), undefined, { breach: breachFor('user:1', { type: 'first' }) })
    const second = hitOf(limiterOf('second', { max: 0 }), undefined, { breach: breachFor('user:1', { type: 'second' }) })
    await counters.decide([first, second], NOW)
    t.same((await scores.list('user:1')).map(({ type }) => type), ['first'])
  })

  t.test(`${name}: a limiter that only observes refuses nobody, tells of it, and books a shadow`, async (t) => {
    const { counters, scores } = await makeStores(t)
    const breach = breachFor('user:7', { shadow: true })
    const watched = hitOf(limiterOf('watched', { max: 1, observe: true }), undefined, { breach })
    const enforced = hitOf(limiterOf('enforced', { max: 2 }))
    await counters.decide([watched, enforced], NOW)
    const { refused, observed, states, booking } = await counters.decide([watched, enforced], NOW)
    t.equal(refused, -1)
    t.equal(booking, undefined)
    t.match(observed, [{ hit: 0, booking: { before: 0, after: 1 } }])
    t.match(states[1], { remaining: 0, charged: true }, 'those behind it are charged as if it were not there')
    t.same(await scores.list('user:7'), [])
  })
}
