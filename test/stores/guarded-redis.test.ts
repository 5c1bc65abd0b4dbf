import { rm } from 'node:fs/promises'
import t, { type Test } from 'tap'
import type { DecisionRequest } from '../../src/limits/contract.js'
import { bookingOf, breachFor, hitOf, leaseOf, limiterOf, questionOf, slotOf } from '../contract/limiters.js'
import { until } from '../helpers/backends.js'
import { startRedis, type RedisServer } from '../helpers/redis.js'
import { isTold, NOW, openGuarded, RETRY_MS } from './guarded-rig.js'
import { openRedis, type RedisStoresUnderTest } from './redis-rig.js'

const DEADLINE_MS = 50
const limiter = limiterOf('messageIp', { max: 100_000 })
const ask = (): DecisionRequest => questionOf([hitOf(limiter)], NOW)

/** Guarded stores over a real Redis, whatever becomes of it. */
async function openOver (t: Test, server: RedisServer, prefix?: string) {
  const redis = await openRedis(t, server, { deadlineMs: DEADLINE_MS, ...prefix !== undefined && { prefix } })
  const { link } = redis
  const stores = openGuarded(t, {
    remote: redis,
    connection: link,
    probe: () => link.fast.set(link.key('probe', 'test'), '1', 'PX', 1000),
    deadlineMs: DEADLINE_MS,
    clock: () => NOW,
    pace: { maxProbeMs: 100, patienceMs: 1000 },
  })
  if (!await until(() => !stores.breaker.isOpen, RETRY_MS)) throw new Error('it never came')
  return { stores, redis }
}

type Opened = Awaited<ReturnType<typeof openOver>>

/** Decides and offends all the time until the call, and answers how often, and how long the slowest decision took. */
function keepBusy ({ stores }: Opened) {
  const over = new AbortController()
  let [offences, slowestMs, failures] = [0, 0, 0]
  const decide = async () => {
    const startedAt = performance.now()
    await Promise.resolve(stores.counters.decide(ask())).catch(() => { failures++ })
    slowestMs = Math.max(slowestMs, performance.now() - startedAt)
  }
  const running = (async () => {
    while (!over.signal.aborted) {
      offences++
      await Promise.all([...Array.from({ length: 20 }, decide), stores.scores.book(bookingOf(breachFor(), NOW))])
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  return async () => {
    over.abort()
    await running
    return { offences, slowestMs, failures }
  }
}

const totalOf = async ({ scores }: RedisStoresUnderTest) => (await scores.list('user:42'))[0]?.total
const comesBack = ({ stores }: Opened) => until(() => !stores.breaker.isOpen, 2 * RETRY_MS)

t.test('a Redis that is paused: nobody waits past the deadline, nothing fails, every violation counts once', async (t) => {
  const server = await startRedis(t)
  const opened = await openOver(t, server)
  const stop = keepBusy(opened)
  await until(async () => (await totalOf(opened.redis) ?? 0) > 3)
  server.pause()
  t.ok(await until(() => opened.stores.breaker.isOpen))
  const thousands = await Promise.all(Array.from({ length: 5000 }, async () => opened.stores.counters.decide(ask())))
  t.equal(thousands.length, 5000)
  server.resume()
  t.ok(await comesBack(opened))
  const { offences, slowestMs, failures } = await stop()
  t.equal(failures, 0)
  // The machine does other things too; without a deadline they would wait for the connection to be given up.
  t.ok(slowestMs < DEADLINE_MS + 1000, `the slowest took ${slowestMs} ms`)
  t.ok(await isTold(opened.stores))
  t.equal(await totalOf(opened.redis), offences)
})

t.test('a Redis that is killed and comes back empty: the violations of its absence are booked, leases released', async (t) => {
  const server = await startRedis(t)
  const opened = await openOver(t, server)
  const { stores, redis } = opened
  const lease = leaseOf('held')
  await stores.counters.decide(questionOf([], NOW, [slotOf(lease, 1)]))
  await server.kill()
  t.ok(await until(() => stores.breaker.isOpen))
  t.match(stores.breaker.absence, { reason: 'there is no connection' })
  const stop = keepBusy(opened)
  await stores.leases.release(lease)
  await server.start()
  t.ok(await comesBack(opened))
  const { offences, failures } = await stop()
  t.equal(failures, 0)
  t.ok(await isTold(stores))
  t.equal(await totalOf(redis), offences)
  t.match(await stores.counters.decide(questionOf([], NOW, [slotOf(leaseOf('next'), 1)])), { slots: [{ granted: true, held: 1 }] })
})

interface Trouble {
  readonly code: string
  readonly begin: (server: RedisServer) => Promise<unknown>
  readonly end: (server: RedisServer) => Promise<unknown>
}

const troubles: readonly Trouble[] = [
  {
    code: 'READONLY',
    begin: (server) => server.cli('REPLICAOF', '127.0.0.1', '1'),
    end: (server) => server.cli('REPLICAOF', 'NO', 'ONE'),
  },
  {
    code: 'OOM',
    begin: (server) => server.cli('CONFIG', 'SET', 'maxmemory', '1'),
    end: (server) => server.cli('CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    code: 'NOREPLICAS',
    begin: (server) => server.cli('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: (server) => server.cli('CONFIG', 'SET', 'min-replicas-to-write', '0'),
  },
  {
    code: 'MISCONF',
    begin: async (server) => {
      await server.cli('CONFIG', 'SET', 'save', '3600 1')
      await rm(server.dir, { recursive: true })
      await server.cli('BGSAVE')
      await until(async () => (await server.cli('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'), RETRY_MS)
    },
    end: (server) => server.cli('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'),
  },
]

t.test('a Redis that answers errors: nothing fails, what was missed is booked, and it comes back by itself', async (t) => {
  const server = await startRedis(t)
  for (const { code, begin, end } of troubles) {
    const opened = await openOver(t, server)
    const stop = keepBusy(opened)
    await begin(server)
    t.ok(await until(() => opened.stores.breaker.isOpen, RETRY_MS), code)
    // What was under way on a connection that is given up may be what opened it.
    t.ok(await until(() => opened.stores.breaker.absence?.reason === `it answers ${code}`, RETRY_MS), `it answers ${code}`)
    await end(server)
    t.ok(await comesBack(opened), `${code} is over`)
    const { offences, failures } = await stop()
    t.equal(failures, 0)
    t.ok(await isTold(opened.stores))
    t.equal(await totalOf(opened.redis), offences)
  }
})

t.test('a Redis that is loading is not asked until it has its data again', async (t) => {
  const server = await startRedis(t, { args: ['--key-load-delay', '300', '--loading-process-events-interval-bytes', '1024'] })
  const opened = await openOver(t, server, 'loading:')
  const { stores, redis } = opened
  for (let i = 0; i < 5; i++) await stores.scores.book(bookingOf(breachFor(), NOW))
  await server.cli('EVAL', "for i = 1, 5000 do redis.call('SET', 'filler' .. i, string.rep('x', 100)) end", '0')
  await server.cli('SAVE')
  await server.kill()
  const stop = keepBusy(opened)
  const started = server.start()
  const isLoading = await until(async () => (await server.cli('INFO', 'persistence').catch(() => '')).includes('loading:1'), RETRY_MS)
  t.ok(isLoading)
  t.ok(stores.breaker.isOpen)
  t.ok(await comesBack(opened))
  await started.catch(() => {})
  const { offences, failures } = await stop()
  t.equal(failures, 0)
  t.ok(await isTold(stores))
  t.equal(await totalOf(redis), offences + 5, 'what it held before, and what it missed')
})

t.test('a process that was busy past the deadline does not blame the store', async (t) => {
  const { stores } = await openOver(t, await startRedis(t))
  const before = stores.deadlines()
  for (let round = 0; round < 6; round++) {
    const asked = Promise.all(Array.from({ length: 5 }, async () => stores.counters.decide(ask())))
    await new Promise((resolve) => setImmediate(resolve))
    const startedAt = performance.now()
    while (performance.now() - startedAt < 2 * DEADLINE_MS);
    await asked
  }
  t.equal(stores.deadlines(), before)
  t.notOk(stores.breaker.isOpen)
})
