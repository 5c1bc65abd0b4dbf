import type { Test } from 'tap'
import type { Clock } from '../../src/clock.js'
import type { LeaseStore } from '../../src/concurrency/contract.js'
import type { CounterStore } from '../../src/limits/contract.js'
import type { RedisClient, RedisLink } from '../../src/stores/redis/contract.js'
import { createRedisCounters } from '../../src/stores/redis/counters.js'
import { createDecider } from '../../src/stores/redis/decider.js'
import { createRedisLeases } from '../../src/stores/redis/leases.js'
import { createScoredSubjects } from '../../src/stores/redis/scored-subjects.js'
import { createRedisScores, type RedisScores } from '../../src/stores/redis/scores.js'
import { createRedisSuspensions } from '../../src/stores/redis/suspensions.js'
import type { SuspensionStore } from '../../src/suspensions/contract.js'
import { testLog } from '../helpers/product.js'
import { startRedisCluster } from '../helpers/redis-cluster.js'
import { openLink, type TestLinkOptions } from '../helpers/redis-link.js'
import { startRedis, type RedisServer } from '../helpers/redis.js'

export const NOW = Date.parse('2026-11-21T12:00:00Z')
export const DAY = 24 * 3_600_000

export interface Place {
  readonly name: string
  readonly url: string
  readonly isCluster: boolean
  readonly nodes: readonly RedisServer[]
}

/** One Redis and one Cluster for a whole file. Its tests do not meet: each link has a prefix of its own. */
export async function startPlaces (t: Test): Promise<readonly [Place, Place]> {
  const [redis, cluster] = await Promise.all([startRedis(t), startRedisCluster(t)])
  return [
    { name: 'redis', url: redis.url, isCluster: false, nodes: [redis] },
    { name: 'cluster', url: cluster.url, isCluster: true, nodes: cluster.nodes },
  ]
}

export interface RedisStoresUnderTest {
  readonly link: RedisLink
  readonly counters: CounterStore
  readonly scores: RedisScores
  readonly leases: LeaseStore
  readonly suspensions: SuspensionStore
  readonly log: ReturnType<typeof testLog>
}

export interface OpenOptions extends TestLinkOptions {
  readonly clock?: Clock
}

/** The stores of one instance. */
export async function openRedis (t: Test, { url }: Pick<Place, 'url'>, options: OpenOptions = {}): Promise<RedisStoresUnderTest> {
  const { clock = () => NOW, ...linkOptions } = options
  // Whether a thousand at once are counted right must not hang on how busy the machine is.
  const link = await openLink(t, url, { deadlineMs: 10_000, ...linkOptions })
  // The index of subjects is written in the background: on this connection, before whoever lists asks there.
  await link.calm.exists(link.key('violations', 'subjects'))
  const log = testLog()
  const retentionMs = 30 * DAY
  const decider = createDecider(link, createScoredSubjects(link, { retentionMs, log }))
  return {
    link,
    log,
    counters: createRedisCounters(decider),
    scores: createRedisScores(decider, { clock, retentionMs }),
    leases: createRedisLeases(decider),
    suspensions: createRedisSuspensions(link, { retentionMs }),
  }
}

/** Names of the commands that a client is asked to send from now on. */
export function noteCommands (client: RedisClient): string[] {
  const names: string[] = []
  const original: unknown = Reflect.get(client, 'sendCommand')
  if (typeof original !== 'function') throw new Error('The client sends commands in another way.')
  Object.defineProperty(client, 'sendCommand', {
    value: (command: { readonly name: string }, ...rest: unknown[]): unknown => {
      names.push(command.name)
      return Reflect.apply(original, client, [command, ...rest])
    },
  })
  return names
}

const LASTING_KEYS = `
  local lasting = {}
  for _, key in ipairs(redis.call('KEYS', '*')) do
    if redis.call('PTTL', key) < 0 then lasting[#lasting + 1] = key end
  end
  return lasting`

/** The last test of a file: whatever its tests left behind goes by itself. */
export function everyKeyExpires (t: Test, places: readonly Place[]): void {
  t.test('every key that these tests left behind has an expiry', async (t) => {
    for (const { nodes } of places) {
      t.ok((await Promise.all(nodes.map((node) => node.cli('DBSIZE')))).some((size) => Number(size) > 0))
      for (const node of nodes) t.equal(await node.cli('EVAL', LASTING_KEYS, '0'), '')
    }
  })
}
