import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Ban } from '../../src/bans/contract.js'
import { createMemoryBans } from '../../src/stores/memory/bans.js'
import { createRedisBans } from '../../src/stores/redis/bans.js'
import { banOf, NOW, runBanContract } from '../contract/bans.js'
import { until } from '../helpers/backends.js'
import { startRedisCluster } from '../helpers/redis-cluster.js'
import { openLink } from '../helpers/redis-link.js'
import { startRedis } from '../helpers/redis.js'
import { testLog } from '../helpers/product.js'
import { agree, bansInRedis, freshDir, isSettled, openInstance, openInstances } from './ban-instances.js'

const DAY = 86_400_000
const now = () => NOW
const redis = await startRedis(t)
const cluster = await startRedisCluster(t)

for (const [name, url] of [['redis', redis.url], ['cluster', cluster.url]] as const) {
  const prefix = `${randomUUID()}:`
  runBanContract(t, name, async (t, id) => {
    const log = testLog()
    const link = await openLink(t, url, { prefix: `${prefix}${id}:` })
    const disk = createMemoryBans({ dataDir: await freshDir(t), clock: now, log })
    const store = createRedisBans({ link, disk, clock: now, log, deadlineMs: 5000 })
    t.teardown(() => store.close())
    return store
  })

  t.test(`${name}: a ban and a lift are in force on every instance at once, and listeners hear of it`, async (t) => {
    const instances = await openInstances(t, [url, url, url], now)
    const [one, two, three] = instances as [typeof instances[0], typeof instances[0], typeof instances[0]]
    const took: number[] = []
    for (let i = 0; i < 20; i++) {
      const subject = `user:${i}`
      for (const change of [() => one.book.place([banOf(subject)]), () => two.book.lift(subject, { by: 'olga' })]) {
        const isThere = three.book.get(subject) !== undefined
        const startedAt = performance.now()
        const changed = change()
        t.ok(await until(() => [two, three].every((each) => (each.book.get(subject) !== undefined) !== isThere)))
        took.push(performance.now() - startedAt)
        await changed
        await until(() => one.book.get(subject) === undefined || !isThere)
      }
    }
    t.ok(Math.max(...took) < 1000)
    t.comment(`${name}: in force elsewhere after ${median(took).toFixed(1)} ms (median), ${Math.max(...took).toFixed(1)} ms (most)`)
    t.ok(await agree(instances, []))
    t.match(one.events.slice(0, 2), [{ kind: 'placed', remote: false }, { kind: 'lifted', by: 'olga', remote: true }])
    t.match(three.events.slice(0, 2), [
      { kind: 'placed', ban: { subject: 'user:0' }, remote: true }, { kind: 'lifted', subject: 'user:0', by: 'olga', remote: true },
    ])
    t.equal(three.events.length, 40, 'each change is told once')
    t.equal(one.store.stats().resyncs, 1)
  })
}

function median (numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN
}

t.test('bans that instances place on one subject at once become one and the same, which holds all of them', async (t) => {
  const instances = await openInstances(t, [redis.url, redis.url, redis.url], now)
  const subjects = Array.from({ length: 30 }, (_, i) => `user:${i}`)
  await Promise.all(subjects.flatMap((subject) => instances.map(({ book }, i) => book.place([banOf(subject, {
    expiresAt: NOW + (i + 1) * 1000, linked: [`ip:192.0.2.${i}`], note: `by ${i}`, ...(i === 1 ? { source: 'admin' } : {}),
  })]))))
  t.ok(await agree(instances, subjects))
  const held = await bansInRedis(instances[0] as typeof instances[0])
  for (const subject of subjects) {
    const all = instances.map(({ book }) => book.get(subject)) as Ban[]
    t.same(all, [held.get(subject), held.get(subject), held.get(subject)])
    t.match(all[0], { expiresAt: NOW + 3000, source: 'admin' })
    t.same([...all[0]?.linked ?? []].sort(), ['ip:192.0.2.0', 'ip:192.0.2.1', 'ip:192.0.2.2'])
    t.same(all[0]?.note?.split('; ').sort(), ['by 0', 'by 1', 'by 2'])
  }
})

t.test('a lift takes linked addresses along everywhere, and what stays loses its link everywhere', async (t) => {
  const instances = await openInstances(t, [redis.url, redis.url], now)
  const [one, two] = instances as [typeof instances[0], typeof instances[0]]
  await one.book.place([
    banOf('user:a', { linked: ['ip:1.1.1.1', 'ip:2.2.2.2'] }), banOf('ip:1.1.1.1', { linked: ['user:a'] }),
    banOf('ip:2.2.2.2', { linked: ['user:a', 'user:b'] }), banOf('user:b', { linked: ['ip:2.2.2.2'] }),
  ])
  t.ok(await agree(instances, ['ip:1.1.1.1', 'ip:2.2.2.2', 'user:a', 'user:b']))
  await two.book.lift('user:a', { by: 'olga' })
  t.ok(await agree(instances, ['ip:2.2.2.2', 'user:b']))
  t.ok(await until(() => one.book.get('ip:2.2.2.2')?.linked.length === 1))
  t.same(one.book.get('ip:2.2.2.2')?.linked, ['user:b'])
})

t.test('that a document was acknowledged is known everywhere, and is no news', async (t) => {
  const instances = await openInstances(t, [redis.url, redis.url], now)
  const [one, two] = instances as [typeof instances[0], typeof instances[0]]
  await one.book.place([banOf('user:1')])
  t.ok(await agree(instances, ['user:1']))
  await two.book.markRecorded('user:1', 'c1')
  t.ok(await until(() => one.book.get('user:1')?.recorded === 'c1'))
  await one.book.place([banOf('user:1', { expiresAt: null })])
  t.ok(await until(() => two.book.get('user:1')?.expiresAt === null))
  t.equal(two.book.get('user:1')?.recorded, 'c1', 'kept when the ban is made longer')
  t.same([one, two].map(({ events }) => events.map((event) => event.kind)), [['placed', 'placed'], ['placed', 'placed']])
  await two.book.markRecorded('user:never', 'c1')
  t.same(two.bans(), ['user:1'])
})

t.test('clocks that differ undo nobody\'s word: who bans after a lift, or lifts after a ban, is obeyed', async (t) => {
  const prefix = `${randomUUID()}:`
  const ahead = await openInstance(t, redis.url, { prefix, clock: () => NOW + 30_000 })
  const behind = await openInstance(t, redis.url, { prefix, clock: now })
  await ahead.book.place([banOf('user:1', { createdAt: NOW + 30_000, expiresAt: null })])
  t.ok(await agree([ahead, behind], ['user:1']))
  await behind.book.lift('user:1', { by: 'test' })
  t.ok(await agree([ahead, behind], []), 'lifted, though by its clock before it was placed')
  await ahead.book.place([banOf('user:2')])
  t.ok(await agree([ahead, behind], ['user:2']))
  await ahead.book.lift('user:2', { by: 'test' })
  t.ok(await agree([ahead, behind], []))
  await behind.book.place([banOf('user:2'), banOf('user:1')])
  t.ok(await agree([ahead, behind], ['user:1', 'user:2']), 'placed, though by its clock before the lift')
})

t.test('bans that ran out leave Redis, and nobody lifts them', async (t) => {
  let time = NOW
  const instances = await openInstances(t, [redis.url, redis.url], () => time)
  const [one, two] = instances as [typeof instances[0], typeof instances[0]]
  await one.book.place([banOf('user:short', { expiresAt: NOW + 1000 }), banOf('user:long')])
  t.ok(await agree(instances, ['user:long', 'user:short']))
  time += 1000
  t.equal(two.book.get('user:short'), undefined)
  two.book.sweep()
  t.ok(await until(async () => !(await bansInRedis(two)).has('user:short')))
  t.ok((await bansInRedis(two)).has('user:long'))
  t.equal(one.store.liftedAt('user:short'), undefined)
  await one.book.place([banOf('user:short', { createdAt: time, expiresAt: time + 1000 })])
  t.ok(await agree([two], ['user:long', 'user:short']), 'banned anew')
})

t.test('every key has an expiry, and what is known of lifts goes after a day', async (t) => {
  let time = NOW
  const prefix = `${randomUUID()}:`
  const one = await openInstance(t, redis.url, { prefix, clock: () => time })
  await one.book.place([banOf('user:1'), banOf('user:2', { expiresAt: null })])
  await one.book.lift('user:1', { by: 'test' })
  const keys = await one.link.calm.keys(`${prefix}*`)
  t.equal(keys.length, 3)
  for (const key of keys) t.ok(Number(await one.link.calm.pttl(key)) > 300 * DAY, key)
  time += 2 * DAY
  await one.book.lift('user:2', { by: 'test' })
  t.same(await one.link.calm.zrange(one.link.key('bans', ':lifts'), '0', '-1'), ['user:2'])
})

t.test('members that only a later version knows are kept, and what cannot be read is left alone', async (t) => {
  const [one] = await openInstances(t, [redis.url], now)
  if (one === undefined) return
  const key = one.link.key('bans', ':all')
  const later = { ...banOf('user:1'), source: 'oracle', severity: { level: 3 } }
  await one.link.calm.hset(key, { 'user:1': JSON.stringify(later), 'user:2': '{"subject":"user:2"}', 'user:3': 'null', 'user:4': '{' })
  await one.link.calm.hset(key, ':seq', '17')
  t.ok(await until(() => one.bans().length > 0, 5000), 'a number that does not fit is a gap')
  t.same(one.bans(), ['user:1'])
  await one.book.place([banOf('user:1', { expiresAt: null })])
  t.match(one.book.get('user:1'), { severity: { level: 3 }, expiresAt: null })
  t.match((await bansInRedisRaw(one)).get('user:1'), /"severity":\{"level":3\}/)
  t.equal((await bansInRedisRaw(one)).get('user:4'), '{')
  await one.book.place([banOf('user:4')])
  t.match((await bansInRedisRaw(one)).get('user:4'), /^\{"subject":"user:4"/, 'a ban of ours takes its place')
})

async function bansInRedisRaw ({ link }: Awaited<ReturnType<typeof openInstance>>): Promise<Map<string, string>> {
  return new Map(Object.entries(await link.calm.hgetall(link.key('bans', ':all'))))
}

t.test('ten thousand bans arrive everywhere, and a newcomer has them before it is open', async (t) => {
  const prefix = `${randomUUID()}:`
  const one = await openInstance(t, redis.url, { prefix, clock: now })
  const two = await openInstance(t, redis.url, { prefix, clock: now })
  const bans = Array.from({ length: 10_000 }, (_, i) => banOf(`ip:10.${i >> 16}.${i >> 8 & 255}.${i & 255}`, { createdAt: NOW + i }))
  const startedAt = performance.now()
  for (let i = 0; i < bans.length; i += 500) await one.book.place(bans.slice(i, i + 500))
  t.ok(await until(() => two.book.size === 10_000 && isSettled(one), 20_000))
  t.comment(`10,000 bans in force elsewhere after ${Math.round(performance.now() - startedAt)} ms`)
  const openedAt = performance.now()
  const three = await openInstance(t, redis.url, { prefix, clock: now })
  t.equal(three.book.size, 10_000)
  t.comment(`a newcomer has them after ${Math.round(performance.now() - openedAt)} ms`)
  t.equal(three.book.find([], '10.0.39.15', NOW)?.subject, 'ip:10.0.39.15')
  t.ok(await one.link.calm.xlen(one.link.key('bans', ':changes')) < 11_000, 'the stream is bounded')
})

t.test('too many bans give way everywhere', async (t) => {
  const instances = await openInstances(t, [redis.url, redis.url], now, { maxBans: 3 })
  const [one] = instances as [typeof instances[0]]
  await one.book.place(['boss', '1', '2', '3', '4'].map((id) => banOf(`user:${id}`, id === 'boss' ? { source: 'admin' } : {})))
  t.ok(await agree(instances, ['user:3', 'user:4', 'user:boss']))
  t.equal((await bansInRedis(one)).size, 3)
})
