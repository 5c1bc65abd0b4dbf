import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import t from 'tap'
import { BucketTable } from '../../src/stores/memory/bucket-table.js'
import { createMemoryCounters } from '../../src/stores/memory/counters.js'
import { createScoreTable } from '../../src/stores/memory/score-table.js'
import { createSuspensionTable } from '../../src/stores/memory/suspension-table.js'
import { runBanContract } from '../contract/bans.js'
import { runCounterContract } from '../contract/counters.js'
import { runLeaseContract } from '../contract/leases.js'
import { bookingOf, breachFor, chargeOf, hitOf, leaseOf, limiterOf, questionOf, takeOf } from '../contract/limiters.js'
import { runScoreContract } from '../contract/scores.js'
import { infractionOf, messageOf, runSuspensionContract } from '../contract/suspensions.js'
import { freshDir, openStores } from './open-stores.js'

const NOW = Date.parse('2026-11-21T12:00:00Z')

const clock = () => NOW
runCounterContract(t, 'memory', (t) => openStores(t, { clock }))
runScoreContract(t, 'memory', async (t, clock) => (await openStores(t, { clock })).scores)
runLeaseContract(t, 'memory', (t) => openStores(t, { clock }))
runSuspensionContract(t, 'memory', (t) => openStores(t, { clock }))

const root = await freshDir(t)
runBanContract(t, 'memory', async (t, id) => {
  const dataDir = join(root, id)
  await mkdir(dataDir, { recursive: true })
  return (await openStores(t, { dataDir })).bans
})

const nothing = {
  scores: { book: () => { throw new Error('nothing is booked here') } },
  leases: { take: () => { throw new Error('nothing is taken here') } },
}

t.test('buckets are bounded: the one charged longest ago is given up first, and counted', async (t) => {
  const counters = createMemoryCounters({ ...nothing, maxBuckets: 100 })
  const limiter = limiterOf('messageIp', { max: 1 })
  for (let i = 0; i < 100; i++) counters.decide(questionOf([hitOf(limiter, `ip:${i}`)], NOW))
  counters.charge(chargeOf(limiter, 'ip:0', NOW))
  counters.decide(questionOf([hitOf(limiter, 'ip:100')], NOW))
  t.match(counters, { size: 100, evicted: 1 })
  t.equal(counters.decide(questionOf([hitOf(limiter, 'ip:0', { peek: true })], NOW)).refused, 0, 'charged again lately, so kept')
  t.equal(counters.decide(questionOf([hitOf(limiter, 'ip:1', { peek: true })], NOW)).refused, -1, 'given up')
})

t.test('buckets that are whole again go without being asked for, and are not counted as given up', async (t) => {
  const table = new BucketTable(1000)
  const state = { kind: 'fixed-window', startedAt: NOW, count: 1 } as const
  for (let i = 0; i < 500; i++) table.set(`old ${i}`, state, { wholeAt: NOW + 1, now: NOW })
  for (let i = 0; i < 600; i++) table.set(`new ${i % 10}`, state, { wholeAt: NOW + 10, now: NOW + 5 })
  t.equal(table.size, 10)
  t.equal(table.evicted, 0)
})

t.test('logs of sliding windows weigh by their hits', async (t) => {
  const counters = createMemoryCounters({ ...nothing, maxBuckets: 1000 })
  const limiter = limiterOf('cost', { max: 1000, algorithm: 'sliding-window' })
  for (let i = 0; i < 30; i++) {
    for (let hit = 0; hit < 800; hit++) counters.charge(chargeOf(limiter, `ip:${i}`, NOW))
  }
  t.ok(counters.size <= 10, `${counters.size} logs of 800 hits fit where 1000 plain buckets would`)
})

t.test('score records are bounded, the quietest of the largest type goes first; old ones leave after the retention', async (t) => {
  const DAY = 86_400_000
  let now = NOW
  const table = createScoreTable({ clock: () => now, retentionMs: 90 * DAY, maxRecords: 10 })
  table.book(bookingOf(breachFor('user:rare', { type: 'rare', ttlMs: null }), NOW))
  for (let i = 0; i < 20; i++) table.book(bookingOf(breachFor(`ip:${i}`), NOW + i))
  t.match(table, { size: 10, evicted: 11 })
  t.equal(table.list('user:rare').length, 1)
  t.equal(table.list('ip:19').length, 1)
  now = NOW + 91 * DAY
  t.same([...table.snapshot().values()].flat().map(({ subject }) => subject), ['user:rare'], 'a score that never runs out is kept')
  t.equal(table.size, 1)
})

t.test('violations are remembered by their ids within bounds', async (t) => {
  const table = createScoreTable({ clock: () => NOW, retentionMs: 86_400_000 })
  const first = bookingOf(breachFor(), NOW)
  table.book(first)
  for (let i = 0; i < 10_000; i++) table.book(bookingOf(breachFor('user:43', { score: 0 }), NOW))
  t.match(table.book(first), { before: 1, after: 2 }, 'forgotten, and so booked anew')
})

t.test('holders whose leases have run out are forgotten without being asked for', async (t) => {
  const stores = await openStores(t)
  const take = (i: number, now: number) =>
    stores.leases.take(takeOf(leaseOf(`l${i}`, { holder: `user:${i}` }), 1, { leaseMs: 1000, now }))
  for (let i = 0; i < 100; i++) await take(i, NOW)
  for (let i = 100; i < 160; i++) await take(i, NOW + 5000)
  t.ok(stores.stats().leaseHolders < 110, `${stores.stats().leaseHolders} are left`)
})

t.test('records of suspensions are bounded: a flood of newcomers frees nobody, the oldest offender goes first', async (t) => {
  const table = createSuspensionTable({ retentionMs: 86_400_000, maxRecords: 10 })
  table.suspend(infractionOf(NOW, { subject: 'user:early' }))
  for (let i = 0; i < 50; i++) table.note(messageOf(NOW, { subject: `ip:${i}` }))
  t.match(table, { size: 11, evicted: 40 })
  t.ok(table.find('user:early', NOW))
  for (let i = 0; i < 10; i++) table.suspend(infractionOf(NOW, { subject: `user:${i}` }))
  t.equal(table.find('user:early', NOW), undefined)
  t.ok(table.find('user:0', NOW))
  t.match(table, { size: 20, evicted: 41 })
})

t.test('many suspensions and messages at once are written together', async (t) => {
  const stores = await openStores(t, { clock })
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: 2000 }, async (_, i) =>
    stores.suspensions.suspend(infractionOf(NOW, { subject: `user:${i}` }))))
  t.ok(performance.now() - startedAt < 2000, 'not one sync after the other')
  t.equal(stores.stats().suspensions, 2000)
})
