/** Bytes that Redis needs for a window, by kind: what it says of itself before and after as many are written. */
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { createRedisCounters } from '../dist/stores/redis/counters.js'
import { createDecider } from '../dist/stores/redis/decider.js'
import { openRedisLink } from '../dist/stores/redis/link.js'
import { startRedis } from './candidates.js'
import { show, table } from './figures.js'

const WINDOWS = 10_000
const AT_ONCE = 500
const HOUR_MS = 3_600_000
const KINDS = [
  { title: 'fixed window', algorithm: 'fixed-window', max: 100, hits: [1, 10] },
  { title: 'GCRA', algorithm: 'gcra', max: 100, hits: [1, 10] },
  { title: 'sliding window, weighted (large max)', algorithm: 'sliding-window', max: 1_000_000, hits: [1, 10] },
  { title: 'sliding window, exact', algorithm: 'sliding-window', max: 100, hits: [1, 10, 40] },
]

/** Prints a table; answers how much went wrong: nothing, or it throws. */
export async function measureRedisMemory (rig, print) {
  const { port } = await startRedis(rig)
  const redis = new Redis(port, '127.0.0.1')
  const link = openRedisLink({ settings: settingsFor(port), log: SILENT, time: 'server', deadlineMs: 5000 })
  try {
    while (!link.isConnected) await new Promise((resolve) => { setTimeout(resolve, 10) })
    const counters = createRedisCounters(createDecider(link, { note: () => {}, keepMs: () => HOUR_MS }))
    const rows = []
    for (const kind of KINDS) {
      for (const hits of kind.hits) rows.push(await measure({ redis, counters }, kind, hits))
    }
    print(`\n${WINDOWS} windows of each kind, keyed by users like \`user:${randomUUID()}\`\n`)
    print(table(['window', 'hits in it', 'bytes'], rows))
    return 0
  } finally {
    await link.close()
    redis.disconnect()
  }
}

async function measure ({ redis, counters }, { title, ...kind }, hits) {
  await redis.flushall()
  const limiter = limiterOf(kind)
  const before = await usedMemory(redis)
  for (let done = 0; done < WINDOWS; done += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => fill(counters, limiter, hits)))
  }
  const used = await usedMemory(redis) - before
  const keys = await redis.dbsize()
  if (keys !== WINDOWS) throw new Error(`${WINDOWS} windows made ${keys} keys`)
  return [title, show(hits), show(used / WINDOWS)]
}

async function fill (counters, limiter, hits) {
  const subject = `user:${randomUUID()}`
  const hit = { limiter, bucket: subject, subject, cost: 1, peek: false, breach: undefined }
  for (let i = 0; i < hits; i++) {
    const { refused } = await counters.decide({ id: randomUUID(), hits: [hit], slots: [], now: 0 })
    if (refused !== -1) throw new Error(`${limiter.algorithm} refused`)
  }
}

async function usedMemory (redis) {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))[1])
}

const limiterOf = ({ algorithm, max }) => ({
  name: 'messageUser', key: ['user'], algorithm, max, windowMs: HOUR_MS, burst: max, observe: false,
})

const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

const settingsFor = (port) => ({
  topology: 'standalone',
  addresses: [{ host: '127.0.0.1', port }],
  masterName: undefined,
  database: 0,
  username: undefined,
  password: undefined,
  sentinelUsername: undefined,
  sentinelPassword: undefined,
  tls: false,
  ca: undefined,
  keyPrefix: '',
})
