/** The stores of several instances that work as one: Redis, guarded by what a process can do without it. */
import { randomUUID } from 'node:crypto'
import { createAddressUsers } from '../../bans/bans.js'
import type { HealthState, Meter } from '../../telemetry/contract.js'
import type { Stores } from '../contract.js'
import { guardStores, type GuardedStores } from '../guarded/guarded-stores.js'
import { createMemoryBans } from '../memory/bans.js'
import { createMemoryCounters } from '../memory/counters.js'
import { createMemoryLeases } from '../memory/leases.js'
import { createScoresInProcess } from '../memory/scores.js'
import { createSuspensionTable } from '../memory/suspension-table.js'
import type { RedisStoresOptions } from '../open-stores.js'
import { createRedisAddressUsers } from './address-users.js'
import { createRedisBans, type RedisBans } from './bans.js'
import type { RedisLink } from './contract.js'
import { createRedisCounters } from './counters.js'
import { createDecider } from './decider.js'
import { isOfOneKey } from './key-errors.js'
import { createRedisLeases } from './leases.js'
import { openRedisLink } from './link.js'
import { createScoreMirror } from './score-mirror.js'
import { createScoredSubjects } from './scored-subjects.js'
import { createRedisScores, type RedisScores } from './scores.js'
import { createRedisSuspensions } from './suspensions.js'

/** How long a start waits for the connection. */
const CONNECT_MS = 1000
/** What a process writes to learn whether Redis takes writes; gone by itself. */
const PROBE_KEPT_MS = 10_000
/** Telling Redis the last of what it does not know yet may hold up a shutdown so long. */
const CLOSE_MS = 1000

/** Rejects when a file of the data directory cannot be read; a Redis that is away is no reason. */
export async function createRedisStores (options: RedisStoresOptions): Promise<Stores> {
  const { settings: { redis, deadlineMs }, dataDir, clock, log, time } = options
  const link = openRedisLink({ settings: redis, log, time, deadlineMs })
  try {
    await firstConnection(link)
    const { guarded, scores } = createGuardedStores(link, options)
    const bans = createRedisBans({ link, disk: createMemoryBans({ dataDir, clock, log }), clock, log, deadlineMs })
    const mirror = await mirrorOf(scores, options)
    const { health, onLateCrossing } = guarded
    return {
      kind: 'redis',
      counters: guarded.counters,
      scores: guarded.scores,
      leases: guarded.leases,
      suspensions: guarded.suspensions,
      bans,
      addressUsers: createRedisAddressUsers({ link, local: createAddressUsers(), clock, deadlineMs }),
      meters: [...guarded.meters, ...metersOf(bans)],
      health: () => worst(health(), healthOf(bans)),
      onLateCrossing,
      close: async () => {
        await mirror?.close()
        await Promise.all([guarded.close(CLOSE_MS), bans.close()])
        await link.close()
      },
    }
  } catch (error) {
    await link.close()
    throw error
  }
}

/** Who is served at once need not be served without Redis. */
async function firstConnection (link: RedisLink): Promise<void> {
  if (link.isConnected) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, CONNECT_MS)
    link.onConnection((isConnected) => {
      if (!isConnected) return
      clearTimeout(timer)
      resolve()
    })
  })
}

function createGuardedStores (
  link: RedisLink, { settings: { deadlineMs }, clock, log, retentionMs, metrics }: RedisStoresOptions
): { guarded: GuardedStores, scores: RedisScores } {
  const decider = createDecider(link, createScoredSubjects(link, { retentionMs, log }))
  const scores = createRedisScores(decider, { clock, retentionMs })
  const probeKey = link.key('probe', randomUUID())
  const guarded = guardStores({
    remote: {
      counters: createRedisCounters(decider),
      scores,
      leases: createRedisLeases(decider),
      suspensions: createRedisSuspensions(link, { retentionMs }),
    },
    local: {
      scores: () => createScoresInProcess({ clock, retentionMs }),
      leases: (local) => createMemoryLeases({ scores: local }),
      counters: (local, leases) => createMemoryCounters({ scores: local, leases }),
      suspensions: () => createSuspensionTable({ retentionMs }),
    },
    connection: link,
    isOfOneKey,
    probe: () => link.fast.set(probeKey, '1', 'PX', PROBE_KEPT_MS),
    deadlineMs,
    metrics,
    clock,
    log,
    random: Math.random,
  })
  return { guarded, scores }
}

/** A process without files of its own has nobody to show one to. */
async function mirrorOf ({ changedSince }: RedisScores, { dataDir, clock, log, retentionMs }: RedisStoresOptions) {
  return dataDir === undefined ? undefined : await createScoreMirror({ changedSince, dataDir, clock, log, retentionMs })
}

function metersOf (bans: RedisBans): Meter[] {
  return [
    {
      kind: 'gauge',
      name: 'portcullis_bans_unsent',
      help: 'Changes of bans that Redis must still be told of',
      read: () => bans.stats().outbox,
    },
    {
      kind: 'gauge',
      name: 'portcullis_bans_out_of_step',
      help: '1 while this instance does not hear of the bans of the others',
      read: () => bans.stats().isInStep ? 0 : 1,
      across: 'max',
    },
    {
      kind: 'gauge',
      name: 'portcullis_bans_lag_seconds',
      help: 'How long the last change of a ban took from the instance that made it to this one',
      read: () => bans.stats().lagMs / 1000,
      across: 'max',
    },
    {
      kind: 'counter',
      name: 'portcullis_bans_resyncs_total',
      help: 'How often this instance compared all its bans with those in Redis, since the start',
      read: () => bans.stats().resyncs,
    },
  ]
}

function healthOf (bans: RedisBans): HealthState {
  return bans.stats().isInStep
    ? { status: 'ok' }
    : { status: 'degraded', reason: 'bans of other instances are not heard of right now' }
}

function worst (one: HealthState, other: HealthState): HealthState {
  return one.status === 'ok' ? other : one
}
