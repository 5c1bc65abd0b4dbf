import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { createAddressUsers } from '../../src/bans/bans.js'
import { createRedisAddressUsers } from '../../src/stores/redis/address-users.js'
import { startRedisCluster } from '../helpers/redis-cluster.js'
import { openLink } from '../helpers/redis-link.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/backends.js'
import { NOW } from '../contract/bans.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const ADDRESS = 'ip:203.0.113.9'
const redis = await startRedis(t)

async function openUsers (t: Test, { url = redis.url, prefix = `${randomUUID()}:`, clock = () => NOW } = {}) {
  const link = await openLink(t, url, { prefix })
  const users = createRedisAddressUsers({ link, local: createAddressUsers(), clock, deadlineMs: 200 })
  t.teardown(() => users.close())
  return { users, link }
}

for (const [name, url] of [['redis', redis.url], ['cluster', (await startRedisCluster(t)).url]] as const) {
  t.test(`${name}: users seen and banned on an address by one instance are known to the other`, async (t) => {
    const prefix = `${randomUUID()}:`
    const { users: one } = await openUsers(t, { url, prefix })
    const { users: two } = await openUsers(t, { url, prefix })
    for (const [i, user] of ['a', 'b', 'c'].entries()) one.seen(ADDRESS, user, NOW + i)
    one.seen('ip:192.0.2.1', 'z', NOW)
    two.seen(ADDRESS, 'b', NOW)
    two.seen(ADDRESS, 'd', NOW - HOUR)
    await Promise.all([one.flush(), two.flush()])
    t.same([...await two.seenSince(ADDRESS, NOW, 'a')].sort(), ['b', 'c'])
    t.same([...await one.seenSince(ADDRESS, NOW - HOUR, undefined)].sort(), ['a', 'b', 'c', 'd'])
    t.same(await two.seenSince(ADDRESS, NOW + 2, undefined), ['c'])
    await one.banned(ADDRESS, 'a', NOW)
    await one.banned(ADDRESS, 'a', NOW + 1)
    t.equal(await two.bannedSince(ADDRESS, NOW), 1, 'one user twice is one user')
    await two.banned(ADDRESS, 'b', NOW)
    t.equal(await one.bannedSince(ADDRESS, NOW), 2)
    t.equal(await one.bannedSince(ADDRESS, NOW + 1), 1)
  })
}

t.test('a user is written once a minute, many in one call, and nothing is written while requests come', async (t) => {
  const { users, link } = await openUsers(t)
  const calls = async () => Number(/^cmdstat_zadd:calls=(\d+)/m.exec(await link.calm.info('commandstats'))?.[1] ?? 0)
  const before = await calls()
  for (let i = 0; i < 50; i++) {
    users.seen(ADDRESS, 'a', NOW + i)
    users.seen(ADDRESS, 'b', NOW + i)
  }
  t.equal(await calls(), before)
  await users.flush()
  t.equal(await calls() - before, 2)
  users.seen(ADDRESS, 'a', NOW + MINUTE - 1)
  await users.flush()
  t.equal(await calls() - before, 2)
  users.seen(ADDRESS, 'a', NOW + MINUTE)
  t.ok(await until(async () => await calls() - before === 3, 5000), 'written by itself')
})

t.test('what is kept of an address is bounded and runs out', async (t) => {
  let time = NOW
  const { users, link } = await openUsers(t, { clock: () => time })
  for (let i = 0; i < 700; i++) users.seen(ADDRESS, `u${i}`, NOW + i)
  await users.flush()
  const key = link.key(ADDRESS, ':seen')
  t.equal(await link.calm.zcard(key), 500)
  t.equal(await link.calm.zscore(key, 'u0'), null, 'the longest unseen is forgotten')
  t.ok(Number(await link.calm.pttl(key)) > 23 * HOUR)
  time += 25 * HOUR
  users.seen(ADDRESS, 'new', time)
  await users.flush()
  t.same(await link.calm.zrange(key, '0', '-1'), ['new'])
})

t.test('without Redis, or with one that does not answer, the memory of the instance is what counts', async (t) => {
  const own = await startRedis(t)
  const { users, link } = await openUsers(t, { url: own.url })
  users.seen(ADDRESS, 'a', NOW)
  own.pause()
  const startedAt = performance.now()
  t.same(await users.seenSince(ADDRESS, NOW, undefined), ['a'])
  await users.banned(ADDRESS, 'a', NOW)
  t.equal(await users.bannedSince(ADDRESS, NOW), 1)
  t.ok(performance.now() - startedAt < 3000, 'each look waits for the deadline at most')
  own.resume()
  await own.kill()
  t.ok(await until(() => !link.isConnected, 5000))
  const { dropped } = users
  users.seen(ADDRESS, 'b', NOW)
  t.same(await users.seenSince(ADDRESS, NOW, undefined), ['a', 'b'])
  t.equal(users.dropped, dropped + 1)
  await own.start()
  t.ok(await until(() => link.isConnected, 5000))
  await users.flush()
  t.same(await users.seenSince(ADDRESS, NOW, undefined), ['a', 'b'])
})
