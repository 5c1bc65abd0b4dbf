import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { banOf, NOW } from '../contract/bans.js'
import { until } from '../helpers/backends.js'
import { startSentinel } from '../helpers/redis-sentinel.js'
import { startRedis, type RedisServer } from '../helpers/redis.js'
import {
  agree, bansInRedis, freshDir, isSettled, openInstance, openInstances, PATIENCE_MS, startWire, type Instance,
} from './ban-instances.js'

const HOUR = 3_600_000
const now = () => NOW
const by = { by: 'test' }

/** Three instances on a server of their own: `user:kept` is banned, `user:free` was lifted after it was. */
async function setUp (t: Test) {
  const redis = await startRedis(t)
  const clock = manualClock()
  const instances = await openInstances(t, [redis.url, redis.url, redis.url], clock.read)
  const [one, two, three] = instances as [Instance, Instance, Instance]
  await one.book.place([banOf('user:kept', { createdAt: clock.tick() }), banOf('user:free', { createdAt: clock.tick() })])
  t.ok(await agree(instances, ['user:free', 'user:kept']))
  await two.book.lift('user:free', by)
  t.ok(await agree(instances, ['user:kept']))
  return { redis, clock, instances, one, two, three }
}

function manualClock () {
  let instant = NOW
  return { read: () => instant, tick: (ms = 1) => { instant += ms; return instant } }
}

async function holdsEverywhere (instances: readonly Instance[], subjects: readonly string[]): Promise<boolean> {
  if (!await agree(instances, subjects)) return false
  const kept = await bansInRedis(instances[0] as Instance)
  return JSON.stringify([...kept.keys()].sort()) === JSON.stringify([...subjects].sort())
}

/** The number of changes in Redis: the same again when nobody writes for nothing. */
async function changes ({ link }: Instance): Promise<number> {
  return Number(await link.calm.hget(link.key('bans', ':all'), ':seq'))
}

/** Breaks the connections on which instances wait for news; resolves when all have compared their bans again. */
async function breakFeeds (redis: RedisServer, instances: readonly Instance[]): Promise<boolean> {
  const before = instances.map(({ store }) => store.stats().resyncs)
  const feeds = (await redis.cli('CLIENT', 'LIST')).split('\n').filter((line) => /\bcmd=xread\b/.test(line))
  for (const feed of feeds) await redis.cli('CLIENT', 'KILL', 'ID', /\bid=(\d+)/.exec(feed)?.[1] ?? '')
  const hasCompared = (one: Instance, i: number) => isSettled(one) && one.store.stats().resyncs > (before[i] ?? 0)
  return await until(() => instances.every(hasCompared), PATIENCE_MS)
}

t.test('a flush lifts nothing: Redis is filled again, and what was lifted stays lifted', async (t) => {
  const { redis, clock, instances, one, three } = await setUp(t)
  await redis.cli('FLUSHALL')
  t.equal(one.book.get('user:kept')?.subject, 'user:kept')
  t.ok(await until(async () => (await bansInRedis(one)).has('user:kept'), PATIENCE_MS))
  t.ok(await until(() => instances.every(isSettled), PATIENCE_MS))
  t.ok(await holdsEverywhere(instances, ['user:kept']))
  t.equal(Number(await one.link.calm.zscore(one.link.key('bans', ':lifts'), 'user:free')), one.store.liftedAt('user:free'))
  await redis.cli('FLUSHALL')
  await three.book.place([banOf('user:new', { createdAt: clock.tick() })])
  await one.book.lift('user:kept', by)
  t.ok(await holdsEverywhere(instances, ['user:new']), 'changes right after a flush')
  const settled = await changes(one)
  t.ok(await breakFeeds(redis, instances))
  t.equal(await changes(one), settled, 'who compares again has nothing to say')
})

t.test('a Redis that was killed and comes back empty is filled again; bans hold in between', async (t) => {
  const { redis, clock, instances, one, two, three } = await setUp(t)
  await redis.kill()
  t.ok(await until(() => instances.every(({ store }) => !store.stats().isInStep), PATIENCE_MS))
  t.ok(instances.every(({ book }) => book.get('user:kept') !== undefined))
  await one.book.place([banOf('user:one', { createdAt: clock.tick() })])
  await two.book.place([banOf('user:one', { createdAt: clock.tick(), expiresAt: null }), banOf('user:two', { createdAt: clock.tick() })])
  await three.book.lift('user:kept', by)
  t.equal(one.store.stats().outbox, 1)
  await redis.start()
  t.ok(await holdsEverywhere(instances, ['user:one', 'user:two']))
  t.ok(instances.every(({ book }) => book.get('user:one')?.expiresAt === null), 'merged')
  const told = one.log.lines.filter((line) => line.message.includes('in step'))
  t.same(told, [], 'that the connection was lost is told by the connection')
})

t.test('an old dump neither brings back what was lifted nor loses what was placed since', async (t) => {
  const { redis, clock, instances, one, two } = await setUp(t)
  await one.book.place([banOf('user:lifted', { createdAt: clock.tick(), expiresAt: null }), banOf('user:longer', { createdAt: clock.tick() })])
  await redis.cli('SAVE')
  await two.book.lift('user:lifted', by)
  await two.book.place([banOf('user:since', { createdAt: clock.tick() }), banOf('user:longer', { createdAt: clock.tick(), expiresAt: null })])
  t.ok(await agree(instances, ['user:kept', 'user:longer', 'user:since']))
  await redis.kill()
  await redis.start()
  t.ok(await holdsEverywhere(instances, ['user:kept', 'user:longer', 'user:since']))
  t.ok(instances.every(({ book }) => book.get('user:longer')?.expiresAt === null))
  const newcomer = await openInstance(t, redis.url, { prefix: prefixOf(one), clock: clock.read })
  t.same(newcomer.bans(), ['user:kept', 'user:longer', 'user:since'])
  t.not(newcomer.store.liftedAt('user:lifted'), undefined)
})

function prefixOf ({ link }: Instance): string {
  return link.key('', '').replace('portcullis:1:{}', '')
}

t.test('an instance that was cut off enforces what it knows, and catches up in both directions', async (t) => {
  const redis = await startRedis(t)
  const wire = await startWire(t, redis.port)
  const clock = manualClock()
  const instances = await openInstances(t, [redis.url, wire.url], clock.read)
  const [one, cut] = instances as [Instance, Instance]
  const bans = ['lifted', 'again', 'both', 'kept'].map((id) => banOf(`user:${id}`, { createdAt: clock.tick(), expiresAt: null }))
  await one.book.place(bans)
  t.ok(await agree(instances, ['user:again', 'user:both', 'user:kept', 'user:lifted']))
  wire.cut()
  t.ok(await until(() => !cut.link.isConnected && !cut.store.stats().isInStep, PATIENCE_MS))
  clock.tick()
  for (const subject of ['user:lifted', 'user:again', 'user:both']) await one.book.lift(subject, by)
  await one.book.place([banOf('user:elsewhere', { createdAt: clock.tick() })])
  await cut.book.place([banOf('user:again', { createdAt: clock.tick() }), banOf('user:here', { createdAt: clock.tick() })])
  await cut.book.lift('user:both', by)
  await cut.book.lift('user:kept', by)
  await one.book.place([banOf('user:both', { createdAt: clock.tick(), note: 'anew' })])
  t.ok(cut.book.get('user:lifted'), 'it has not heard of the lift')
  t.equal(cut.store.stats().outbox, 4)
  wire.mend()
  t.ok(await holdsEverywhere(instances, ['user:again', 'user:both', 'user:elsewhere', 'user:here']))
  t.same(one.book.get('user:again'), cut.book.get('user:again'))
  t.match(cut.book.get('user:both'), { note: 'anew' })
  t.ok(cut.events.some((event) => event.kind === 'lifted' && event.subject === 'user:lifted' && event.remote))
})

t.test('a broken feed misses nothing, nor does one that finds the stream trimmed or a change missing from it', async (t) => {
  const { redis, clock, instances, one, two, three } = await setUp(t)
  await Promise.all([
    breakFeeds(redis, instances),
    ...Array.from({ length: 50 }, (_, i) => one.book.place([banOf(`user:${i}`, { createdAt: clock.tick() })])),
  ])
  const all = ['user:kept', ...Array.from({ length: 50 }, (_, i) => `user:${i}`)]
  t.ok(await holdsEverywhere(instances, all))
  const bansKey = one.link.key('bans', ':all')
  await redis.cli('EVAL', "redis.call('HSET', KEYS[1], 'user:lost', ARGV[1]); redis.call('HINCRBY', KEYS[1], ':seq', 1)",
    '1', bansKey, JSON.stringify(banOf('user:lost')))
  t.ok(await holdsEverywhere(instances, [...all, 'user:lost']), 'a change that never reached the stream')
  const resyncs = instances.map(({ store }) => store.stats().resyncs)
  redis.pause()
  const placing = two.book.place([banOf('user:late', { createdAt: clock.tick() })])
  redis.resume()
  await placing
  await redis.cli('DEL', one.link.key('bans', ':changes'))
  await three.book.place([banOf('user:later', { createdAt: clock.tick() })])
  t.ok(await holdsEverywhere(instances, [...all, 'user:lost', 'user:late', 'user:later']))
  t.ok(resyncs.every((count, i) => (instances[i]?.store.stats().resyncs ?? 0) <= count + 1), 'nobody compares over and over')
})

t.test('a Redis that does not answer, or refuses to write, holds nobody up', async (t) => {
  const redis = await startRedis(t)
  const clock = manualClock()
  const instances = await openInstances(t, [redis.url, redis.url], clock.read, { deadlineMs: 50 })
  const [one, two] = instances as [Instance, Instance]
  redis.pause()
  const startedAt = performance.now()
  await one.book.place([banOf('user:1', { createdAt: clock.tick() })])
  const took = performance.now() - startedAt
  t.ok(took < 1000, `${Math.round(took)} ms`)
  t.equal(one.book.durable(banOf('user:1')), undefined)
  t.match(JSON.parse(await readFile(join(one.dataDir, 'bans.json'), 'utf8')), { bans: [{ subject: 'user:1' }] })
  redis.resume()
  t.ok(await holdsEverywhere([one, two], ['user:1']))

  await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
  await one.book.place([banOf('user:2', { createdAt: clock.tick() })])
  await one.book.lift('user:1', by)
  t.ok(await until(() => one.log.lines.some((line) => line.message.includes('does not take changes')), PATIENCE_MS))
  t.same(one.bans(), ['user:2'])
  t.equal(one.store.stats().outbox, 2)
  await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  t.ok(await holdsEverywhere([one, two], ['user:2']))
  t.ok(await until(() => one.log.lines.some((line) => line.message.includes('has all changes of bans again'))))
})

t.test('what an instance could not send before it was killed is sent by the next one on its disk', async (t) => {
  const { redis, clock, instances, one, two, three } = await setUp(t)
  await redis.cli('SAVE')
  await redis.kill()
  await one.book.place([banOf('user:unsent', { createdAt: clock.tick() })])
  clock.tick()
  await one.book.lift('user:kept', by)
  await one.kill()
  await redis.start()
  t.ok(await holdsEverywhere([two, three], ['user:kept']))
  const next = await openInstance(t, redis.url, { prefix: prefixOf(two), clock: clock.read, dataDir: one.dataDir })
  t.same(next.bans(), ['user:unsent'])
  t.ok(await holdsEverywhere([next, ...instances.slice(1)], ['user:unsent']))
})

t.test('an instance starts without Redis and enforces from its disk', async (t) => {
  const { redis, clock, instances, one, two, three } = await setUp(t)
  await one.close()
  const prefix = prefixOf(two)
  await redis.kill()
  const startedAt = performance.now()
  const next = await openInstance(t, redis.url, { prefix, clock: clock.read, dataDir: one.dataDir, connected: false })
  t.comment(`started after ${Math.round(performance.now() - startedAt)} ms`)
  t.same(next.bans(), ['user:kept'])
  t.match(next.store.stats(), { isInStep: false, resyncs: 0 })
  await next.book.place([banOf('user:new', { createdAt: clock.tick() })])
  clock.tick()
  await two.book.lift('user:kept', by)
  await redis.start()
  t.ok(await holdsEverywhere([next, two, three], ['user:new']))
  t.equal(instances.length, 3)
})

t.test('who was away for more than a day takes over the lifts that nobody remembers, unless Redis began anew', async (t) => {
  for (const isFlushed of [false, true]) {
    const { redis, clock, one, two, three } = await setUp(t)
    await two.book.place([banOf('user:long', { createdAt: clock.tick(), expiresAt: null })])
    t.ok(await agree([one, two, three], ['user:kept', 'user:long']))
    clock.tick(10 * 60_000)
    await one.close()
    clock.tick(HOUR)
    await two.book.lift('user:long', by)
    clock.tick(26 * HOUR)
    await two.book.place([banOf('user:new', { createdAt: clock.read(), expiresAt: null })])
    await two.book.lift('user:new', by)
    t.equal(await two.link.calm.zscore(two.link.key('bans', ':lifts'), 'user:long'), null)
    const prefix = prefixOf(two)
    await two.close()
    await three.close()
    if (isFlushed) await redis.cli('FLUSHALL')
    const next = await openInstance(t, redis.url, { prefix, clock: clock.read, dataDir: one.dataDir })
    t.same(next.bans(), isFlushed ? ['user:long'] : [], isFlushed ? 'a Redis that lost all says nothing' : 'lifted')
  }
})

t.test('an old dump loses no ban, however long nobody was there', async (t) => {
  const { redis, clock, instances, one } = await setUp(t)
  await redis.cli('SAVE')
  await one.book.place([banOf('user:since', { createdAt: clock.tick(), expiresAt: null })])
  t.ok(await agree(instances, ['user:kept', 'user:since']))
  clock.tick(10 * 60_000)
  const prefix = prefixOf(one)
  for (const instance of instances) await instance.close()
  clock.tick(31 * HOUR)
  await redis.kill()
  await redis.start()
  const next = await openInstance(t, redis.url, { prefix, clock: clock.read, dataDir: one.dataDir })
  t.same(next.bans(), ['user:since'])
  t.ok(await holdsEverywhere([next], ['user:since']))
})

t.test('a flood of bans from elsewhere lets the process breathe', async (t) => {
  const redis = await startRedis(t)
  const instances = await openInstances(t, [redis.url, redis.url], now)
  const [one, two] = instances as [Instance, Instance]
  const work = (ms: number) => { for (const end = performance.now() + ms; performance.now() < end;); }
  two.book.on(() => work(2))
  let longest = 0
  let last = performance.now()
  const watch = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 1)
  t.teardown(() => clearInterval(watch))
  const place = (from: number) => one.book.place(Array.from({ length: 400 }, (_, i) => banOf(`user:${from + i}`)))
  await place(0)
  t.ok(await until(() => two.book.size === 400, PATIENCE_MS))
  t.comment(`longest turn ${Math.round(longest)} ms`)
  t.ok(longest < 400, 'not the 800 that all of them take')
})

t.test('the bans of one prefix are nobody else\'s', async (t) => {
  const redis = await startRedis(t)
  const one = await openInstance(t, redis.url, { prefix: `${randomUUID()}:`, clock: now, dataDir: await freshDir(t) })
  const other = await openInstance(t, redis.url, { prefix: '', clock: now })
  await one.book.place([banOf('user:1')])
  t.ok(await agree([one], ['user:1']))
  t.same(other.bans(), [])
})

t.test('bans hold over a failover, and so do those that the new master never had', async (t) => {
  const sentinel = await startSentinel(t)
  const clock = manualClock()
  const instances = await openInstances(t, [sentinel.url, sentinel.url], clock.read)
  const [one, two] = instances as [Instance, Instance]
  await one.book.place([banOf('user:1', { createdAt: clock.tick() }), banOf('user:2', { createdAt: clock.tick() })])
  t.ok(await agree(instances, ['user:1', 'user:2']))
  t.ok(await until(async () => (await sentinel.replica.cli('HLEN', one.link.key('bans', ':all'))) === '4', PATIENCE_MS))
  // As if the replica had lagged behind.
  await sentinel.replica.cli('REPLICAOF', 'NO', 'ONE')
  await one.book.place([banOf('user:3', { createdAt: clock.tick() })])
  clock.tick()
  await two.book.lift('user:1', by)
  t.ok(await agree(instances, ['user:2', 'user:3']))
  await sentinel.failover()
  t.ok(await holdsEverywhere(instances, ['user:2', 'user:3']))
  await two.book.place([banOf('user:4', { createdAt: clock.tick() })])
  t.ok(await holdsEverywhere(instances, ['user:2', 'user:3', 'user:4']))
})
