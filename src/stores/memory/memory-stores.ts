/** The stores of a gateway that runs alone: in process, and on disk what must survive it. */
import type { BanStore } from '../../bans/contract.js'
import type { Clock } from '../../clock.js'
import type { LeaseStore } from '../../concurrency/contract.js'
import type { CounterStore } from '../../limits/contract.js'
import type { SavedFile } from '../../files/saved-file.js'
import type { Log } from '../../log.js'
import type { SuspensionStore } from '../../suspensions/contract.js'
import type { ScoreStore } from '../../violations/contract.js'
import { createMemoryBans } from './bans.js'
import { createMemoryCounters, type MemoryCounters } from './counters.js'
import { openKnownDeliveries } from './deliveries-file.js'
import { createMemoryLeases } from './leases.js'
import { createMemoryScores } from './scores.js'
import { createMemorySuspensions } from './suspensions.js'
import { openPersistedWindows } from './windows-file.js'

export interface MemoryStoreOptions {
  /** Opened, and so locked, by `openDataDir`. */
  readonly dataDir: string
  readonly clock: Clock
  readonly log: Log
  /** Score records untouched for so long are dropped. */
  readonly retentionMs: number
}

export interface MemoryStores {
  readonly counters: CounterStore
  readonly scores: ScoreStore
  readonly leases: LeaseStore
  readonly bans: BanStore
  readonly suspensions: SuspensionStore
  /** How full they are; `evicted…` counts what was given up for want of room. */
  stats (): MemoryStats
  /** Resolves when all that must survive is on disk; rejects when it could not be written. */
  flush (): Promise<void>
  /** Flushes and stops writing. Never rejects: what fails is in the log. */
  close (): Promise<void>
}

export interface MemoryStats {
  readonly buckets: number
  readonly evictedBuckets: number
  readonly scores: number
  readonly evictedScores: number
  readonly leaseHolders: number
  readonly suspensions: number
  readonly evictedSuspensions: number
}

/** Reads what survived. Rejects when a file of the data directory cannot be read. */
export async function createMemoryStores (options: MemoryStoreOptions): Promise<MemoryStores> {
  const scores = await createMemoryScores(options)
  const windows = await openPersistedWindows(options)
  const deliveries = await openKnownDeliveries(options)
  const leases = createMemoryLeases({ scores })
  const suspensions = await createMemorySuspensions(options)
  const { table: persisted, file: { touch: onPersisted } } = windows
  const { table: many, onChange: onMany } = deliveries
  const counters = createMemoryCounters({ scores, leases, suspensions, persisted, onPersisted, many, onMany })
  const bans = createMemoryBans(options)
  return {
    counters: durable(counters, windows.file),
    scores,
    leases,
    bans,
    suspensions,
    stats: () => ({
      buckets: counters.size,
      evictedBuckets: counters.evicted,
      scores: scores.table.size,
      evictedScores: scores.table.evicted,
      leaseHolders: leases.size,
      suspensions: suspensions.table.size,
      evictedSuspensions: suspensions.table.evicted,
    }),
    flush: async () => {
      await Promise.all([...[scores, windows, deliveries, bans].map(({ file }) => file.flush()), suspensions.flush()])
    },
    close: async () => {
      const files = [windows, deliveries, bans].map(({ file }) => file.close())
      await Promise.all([scores.close(), ...files, suspensions.close()])
    },
  }
}

/** Whoever must not be told before it is on disk waits for that; a disk that takes nothing keeps nobody waiting. */
function durable (counters: MemoryCounters, { save }: SavedFile): CounterStore {
  return {
    ...counters,
    decide (request) {
      const decision = counters.decide(request)
      const mustLast = decision.states.some(({ limiter, charged }) => limiter.durable === true && charged > 0)
      return mustLast ? save().then(() => decision, () => decision) : decision
    },
  }
}
