import type { Test } from 'tap'
import type { Lease, LeaseStore } from '../../src/concurrency/contract.js'

type MakeLeases = (t: Test) => LeaseStore | Promise<LeaseStore>

const NOW = Date.parse('2026-11-21T12:00:00Z')
const LEASE_MS = 300_000

const leaseOf = (id: string, part: Partial<Lease> = {}): Lease => ({ id, holder: 'user:42', rule: 'messages', takenAt: NOW, ...part })

const takeOf = (lease: Lease, max: number, now = NOW) => ({ lease, max, leaseMs: LEASE_MS, now })

/** What every store of leases must hold. */
export function runLeaseContract (t: Test, name: string, makeLeases: MakeLeases): void {
  t.test(`${name}: of many that ask at once, max get a slot`, async (t) => {
    const leases = await makeLeases(t)
    const taken = await Promise.all(Array.from({ length: 50 }, async (_, i) => leases.take(takeOf(leaseOf(`l${i}`), 2))))
    t.equal(taken.filter(({ granted }) => granted).length, 2)
    t.ok(taken.filter(({ granted }) => !granted).every(({ held }) => held === 2))
    t.equal((await leases.list('user:42', 'messages', NOW)).length, 2)
  })

  t.test(`${name}: holders and rules are apart`, async (t) => {
    const leases = await makeLeases(t)
    t.match(await leases.take(takeOf(leaseOf('a'), 1)), { granted: true, held: 1 })
    t.match(await leases.take(takeOf(leaseOf('b', { holder: 'user:43' }), 1)), { granted: true, held: 1 })
    t.match(await leases.take(takeOf(leaseOf('c', { rule: 'uploads' }), 1)), { granted: true, held: 1 })
    t.match(await leases.take(takeOf(leaseOf('d'), 1)), { granted: false, held: 1 })
  })

  t.test(`${name}: a release frees one slot, however often it is called`, async (t) => {
    const leases = await makeLeases(t)
    await leases.take(takeOf(leaseOf('a'), 2))
    await leases.take(takeOf(leaseOf('b'), 2))
    await leases.release(leaseOf('a'))
    await leases.release(leaseOf('a'))
    t.match(await leases.take(takeOf(leaseOf('c'), 2)), { granted: true, held: 2 })
    t.match(await leases.take(takeOf(leaseOf('d'), 2)), { granted: false })
  })

  t.test(`${name}: a lease runs out by itself, renewing prolongs it, and one that is gone stays gone`, async (t) => {
    const leases = await makeLeases(t)
    await leases.take(takeOf(leaseOf('a'), 1))
    t.match(await leases.take(takeOf(leaseOf('b'), 1, NOW + LEASE_MS - 1)), { granted: false })
    await leases.renew(leaseOf('a'), LEASE_MS, NOW + LEASE_MS - 1)
    t.match(await leases.list('user:42', 'messages', NOW + LEASE_MS), [{ id: 'a', expiresAt: NOW + 2 * LEASE_MS - 1 }])
    t.match(await leases.take(takeOf(leaseOf('b'), 1, NOW + 2 * LEASE_MS - 1)), { granted: true, held: 1 })
    await leases.renew(leaseOf('a'), LEASE_MS, NOW + 2 * LEASE_MS)
    t.same((await leases.list('user:42', 'messages', NOW + 2 * LEASE_MS)).map(({ id }) => id), ['b'])
    await leases.renew(leaseOf('b'), 10, NOW + 2 * LEASE_MS)
    t.same(await leases.list('user:42', 'messages', NOW + 2 * LEASE_MS + 10), [], 'it can be shortened too')
  })

  t.test(`${name}: a lease is bound to its stream; a repetition meets the lease that was there before`, async (t) => {
    const leases = await makeLeases(t)
    await leases.take(takeOf(leaseOf('a'), 3))
    await leases.take(takeOf(leaseOf('b'), 3))
    t.equal(await leases.bind({ lease: leaseOf('a'), stream: 'stream-1', repeatKey: 'message-1', now: NOW + 5 }), undefined)
    t.match(await leases.list('user:42', 'messages', NOW + 5), [{ id: 'a', stream: 'stream-1', boundAt: NOW + 5 }, { id: 'b' }])
    t.match(await leases.bind({ lease: leaseOf('b'), stream: 'stream-1', repeatKey: 'message-1', now: NOW + 6 }), { id: 'a' })
    t.equal(await leases.bind({ lease: leaseOf('b'), stream: 'stream-1', repeatKey: 'message-2', now: NOW + 7 }), undefined, 'another message on one stream')
    t.equal(await leases.bind({ lease: leaseOf('b'), stream: 'stream-2', repeatKey: 'message-1', now: NOW + 8 }), undefined, 'another stream')
    t.equal(await leases.bind({ lease: leaseOf('b'), stream: 'stream-1', repeatKey: undefined, now: NOW + 9 }), undefined, 'a message without a name')
    await leases.take(takeOf(leaseOf('x', { holder: 'user:43' }), 3))
    t.equal(await leases.bind({ lease: leaseOf('x', { holder: 'user:43' }), stream: 'stream-1', repeatKey: 'message-1', now: NOW + 9 }), undefined, 'another holder')
    t.equal(await leases.bind({ lease: leaseOf('b'), stream: 'stream-1', repeatKey: 'message-1', now: NOW + LEASE_MS }), undefined, 'one that has run out')
  })
}
