import type { Test } from 'tap'
import type { LeaseStore } from '../../src/concurrency/contract.js'
import type { ScoreStore } from '../../src/violations/contract.js'
import { breachFor, LEASE_MS, leaseOf, takeOf } from './limiters.js'

export interface LeaseStores { readonly leases: LeaseStore, readonly scores: ScoreStore }
type MakeStores = (t: Test) => LeaseStores | Promise<LeaseStores>

const NOW = Date.parse('2026-11-21T12:00:00Z')
const GRANTED = { granted: true, repeated: false, booking: undefined, unavailable: false }
const REFUSED = { ...GRANTED, granted: false }
const REPEATED = { ...REFUSED, repeated: true }

/** What every store of leases must hold; `scores` are those in which its bookings show. */
export function runLeaseContract (t: Test, name: string, makeStores: MakeStores): void {
  const idsOf = async (leases: LeaseStore, now: number) =>
    (await leases.list('user:42', 'messages', now)).records.map(({ id }) => id).sort()

  t.test(`${name}: of many that ask at once, max get a slot`, async (t) => {
    const { leases } = await makeStores(t)
    const take = async (i: number) => leases.take(takeOf(leaseOf(`l${i}`), 2, { now: NOW }))
    const taken = await Promise.all(Array.from({ length: 50 }, (_, i) => take(i)))
    t.same(taken.filter(({ granted }) => granted), [{ ...GRANTED, held: 1 }, { ...GRANTED, held: 2 }])
    const refused = taken.filter(({ granted }) => !granted)
    t.same(refused, refused.map(() => ({ ...REFUSED, held: 2 })))
    t.equal((await idsOf(leases, NOW)).length, 2)
  })

  t.test(`${name}: holders and rules are apart`, async (t) => {
    const { leases } = await makeStores(t)
    t.match(await leases.take(takeOf(leaseOf('a'), 1, { now: NOW })), { granted: true, held: 1 })
    t.match(await leases.take(takeOf(leaseOf('b', { holder: 'user:43' }), 1, { now: NOW })), { granted: true, held: 1 })
    t.match(await leases.take(takeOf(leaseOf('c', { rule: 'uploads' }), 1, { now: NOW })), { granted: true, held: 1 })
    t.match(await leases.take(takeOf(leaseOf('d'), 1, { now: NOW })), { granted: false, held: 1 })
  })

  t.test(`${name}: a release frees one slot, however often it is called`, async (t) => {
    const { leases } = await makeStores(t)
    await leases.take(takeOf(leaseOf('a'), 2, { now: NOW }))
    await leases.take(takeOf(leaseOf('b'), 2, { now: NOW }))
    await leases.release(leaseOf('a'))
    await leases.release(leaseOf('a'))
    t.match(await leases.take(takeOf(leaseOf('c'), 2, { now: NOW })), { granted: true, held: 2 })
    t.match(await leases.take(takeOf(leaseOf('d'), 2, { now: NOW })), { granted: false })
  })

  t.test(`${name}: a lease runs out by itself, renewing prolongs it, and one that is gone stays gone`, async (t) => {
    const { leases } = await makeStores(t)
    const end = NOW + LEASE_MS
    await leases.take(takeOf(leaseOf('a', { takenAt: NOW }), 1, { now: NOW }))
    t.match(await leases.take(takeOf(leaseOf('b'), 1, { now: end - 1 })), { granted: false })
    await leases.renew(leaseOf('a'), LEASE_MS, end - 1)
    t.match(await leases.list('user:42', 'messages', end), {
      at: end,
      records: [{ id: 'a', holder: 'user:42', rule: 'messages', takenAt: NOW, expiresAt: end + LEASE_MS - 1 }],
    })
    t.match(await leases.take(takeOf(leaseOf('b'), 1, { now: end + LEASE_MS - 1 })), { granted: true, held: 1 })
    await leases.renew(leaseOf('a'), LEASE_MS, end + LEASE_MS)
    t.same(await idsOf(leases, end + LEASE_MS), ['b'])
    await leases.renew(leaseOf('b'), 10, end + LEASE_MS)
    t.same(await leases.list('user:42', 'messages', end + LEASE_MS + 10), { at: end + LEASE_MS + 10, records: [] }, 'it can be shortened too')
  })

  t.test(`${name}: a lease is bound to its stream; a repetition meets the lease that was there before`, async (t) => {
    const { leases } = await makeStores(t)
    const bind = async (id: string, stream: string, repeatKey: string | undefined, now: number) =>
      leases.bind({ lease: leaseOf(id), stream, repeatKey, now })
    await leases.take(takeOf(leaseOf('a'), 3, { now: NOW }))
    await leases.take(takeOf(leaseOf('b'), 3, { now: NOW }))
    t.equal(await bind('a', 'stream-1', 'message-1', NOW + 5), undefined)
    const { records } = await leases.list('user:42', 'messages', NOW + 5)
    t.match(records.find(({ id }) => id === 'a'), { stream: 'stream-1', boundAt: NOW + 5, repeatKey: 'message-1' })
    t.match(records.find(({ id }) => id === 'b'), { stream: undefined, boundAt: undefined, repeatKey: undefined })
    t.match(await bind('b', 'stream-1', 'message-1', NOW + 6), { id: 'a', holder: 'user:42', rule: 'messages' })
    t.equal(await bind('b', 'stream-1', 'message-2', NOW + 7), undefined, 'another message on one stream')
    t.equal(await bind('b', 'stream-2', 'message-1', NOW + 8), undefined, 'another stream')
    t.equal(await bind('b', 'stream-1', undefined, NOW + 9), undefined, 'a message without a name')
    const stranger = leaseOf('x', { holder: 'user:43' })
    await leases.take(takeOf(stranger, 3, { now: NOW }))
    t.equal(await leases.bind({ lease: stranger, stream: 'stream-1', repeatKey: 'message-1', now: NOW + 9 }), undefined, 'another holder')
    t.equal(await bind('b', 'stream-1', 'message-1', NOW + LEASE_MS), undefined, 'one that has run out')
    await bind('a', 'stream-1', 'message-1', NOW + LEASE_MS)
    t.same(await idsOf(leases, NOW + LEASE_MS), [], 'binding brings none back')
  })

  t.test(`${name}: a repetition gets no slot, full or not, and books nothing; what is no repetition does`, async (t) => {
    const { leases, scores } = await makeStores(t)
    const original = leaseOf('original')
    const ask = async (id: string, unlessRepeated: string, now = NOW + 10, max = 3) =>
      leases.take(takeOf(leaseOf(id), max, { now, unlessRepeated, breach: breachFor() }))
    await leases.take(takeOf(original, 3, { now: NOW }))
    t.same(await ask('early', 'message-1'), { ...GRANTED, held: 2 }, 'the name is known once the answer has bound it')
    await leases.release(leaseOf('early'))
    await leases.bind({ lease: original, stream: 'stream-1', repeatKey: 'message-1', now: NOW + 5 })
    t.same(await ask('again', 'message-1'), { ...REPEATED, held: 1 })
    t.same(await ask('again', 'message-1', NOW + 10, 1), { ...REPEATED, held: 1 }, 'though there would be no room')
    t.same(await idsOf(leases, NOW + 10), ['original'])
    t.same(await ask('other', 'message-2'), { ...GRANTED, held: 2 }, 'another name')
    t.match(await leases.take(takeOf(leaseOf('stranger', { holder: 'user:43' }), 1, { now: NOW + 10, unlessRepeated: 'message-1' })),
      { granted: true }, 'another holder')
    t.match(await leases.take(takeOf(leaseOf('plain'), 3, { now: NOW + 10 })), { granted: true, repeated: false }, 'nobody asked')
    t.match(await ask('late', 'message-1', NOW + LEASE_MS), { granted: true, repeated: false }, 'the original has run out')
    t.same(await scores.list('user:42'), [])
  })

  t.test(`${name}: a refusal books its breach in the same step; who gets a slot books nothing`, async (t) => {
    const { leases, scores } = await makeStores(t)
    const ask = async (i: number) => leases.take(takeOf(leaseOf(`l${i}`), 10, { now: NOW, breach: breachFor() }))
    const taken = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(i)))
    t.equal(taken.filter(({ granted, booking }) => granted && booking === undefined).length, 10)
    const bookings = taken.flatMap(({ booking }) => booking === undefined ? [] : [booking])
    t.same(bookings.map(({ after }) => after).sort((a, b) => a - b), Array.from({ length: 40 }, (_, i) => i + 1))
    t.equal(bookings.filter(({ crossed }) => crossed).length, 2)
    t.match(await scores.list('user:42'), [{ total: 40, score: 40 }])
    const shadow = breachFor('user:7', { shadow: true })
    t.match(await leases.take(takeOf(leaseOf('x'), 10, { now: NOW, breach: shadow, observe: true })),
      { granted: false, held: 10, booking: { before: 0, after: 1 } }, 'to observe changes what follows, not what is found')
    t.same(await scores.list('user:7'), [])
  })

  t.test(`${name}: a refusal asked for twice under one id is booked once`, async (t) => {
    const { leases, scores } = await makeStores(t)
    await leases.take(takeOf(leaseOf('a'), 1, { now: NOW }))
    const twice = takeOf(leaseOf('b'), 1, { now: NOW, breach: breachFor() })
    const first = await leases.take(twice)
    t.match(first.booking, { before: 0, after: 1, at: NOW })
    t.same((await leases.take(twice)).booking, first.booking)
    t.same(await scores.book({ id: twice.id, breach: breachFor(), now: NOW }), first.booking, 'nor by whoever missed the answer')
    t.match(await scores.list('user:42'), [{ total: 1, score: 1 }])
  })
}
