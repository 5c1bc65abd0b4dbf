/**
 * The stores that several instances share, guarded: a call waits for them a moment at most, and while they are away
 * each rule's `onFailure` decides. Assembled here; what is done instead stands in the files beside.
 */
import type { Clock } from '../../clock.js'
import type { LeaseStore } from '../../concurrency/contract.js'
import type { CounterStore } from '../../limits/contract.js'
import type { Log } from '../../log.js'
import type { HealthState, Meter } from '../../telemetry/contract.js'
import type { SuspensionStore } from '../../suspensions/contract.js'
import type { ScoreStore } from '../../violations/contract.js'
import { Breaker } from './breaker.js'
import { guardCounters } from './counters.js'
import { createGate } from './gate.js'
import { createLeaseMemory } from './lease-memory.js'
import { guardLeases } from './leases.js'
import { createLocalStores, type LocalMakers, type LocalStores } from './local.js'
import { metersOf, healthOf, tellOfChanges } from './report.js'
import { guardScores } from './scores.js'
import { createSuspensionMemory } from './suspension-memory.js'
import { guardSuspensions } from './suspensions.js'
import { createTally, type DegradedListener } from './tally.js'
import { createViolationOutbox, type LiftedAt, type OnLateCrossing } from './violation-outbox.js'

/** Counts of an absence are kept so long after it: the windows of most rules are over by then. */
const FORGET_AFTER_MS = 60 * 60_000

export interface SharedStores {
  readonly counters: CounterStore
  readonly scores: ScoreStore
  readonly leases: LeaseStore
  readonly suspensions: SuspensionStore
}

/** Whether there is a connection at all. A `RedisLink` fits. */
export interface Connection {
  readonly isConnected: boolean
  onConnection (listener: (isConnected: boolean) => void): void
}

export interface GuardOptions {
  readonly remote: SharedStores
  readonly local: LocalMakers
  readonly connection: Connection
  /** A small write, so that a store that takes none shows it. Rejects when that fails. */
  probe (): Promise<unknown>
  /** An error that a call's own data in the store brought about, and no absence. Absent: there are none such. */
  isOfOneKey? (error: unknown): boolean
  /** Milliseconds that a request waits for a call at most. */
  readonly deadlineMs: number
  readonly metrics: DegradedListener
  readonly clock: Clock
  readonly log: Log
  /** From 0 to 1. */
  random (): number
  /** For tests; the rest has its own. */
  readonly pace?: Pace
}

export interface Pace {
  readonly minProbeMs?: number
  readonly maxProbeMs?: number
  readonly failures?: number
  readonly maxItems?: number
  readonly pauseMs?: number
  readonly patienceMs?: number
  readonly maxPending?: number
}

export interface GuardedStores extends SharedStores {
  readonly breaker: Pick<Breaker, 'isOpen' | 'absence' | 'onChange'>
  readonly meters: readonly Meter[]
  health (): HealthState
  /** Sets who places the bans that violations bring which the shared store hears of late, and who knows of lifts. */
  onLateCrossing (listener: OnLateCrossing, liftedAt?: LiftedAt): void
  /** Tells the store what it can within the time. Before the connection is closed. Never rejects. */
  close (withinMs: number): Promise<void>
}

/** Begins to probe at once where there is no connection yet. */
export function guardStores (options: GuardOptions): GuardedStores {
  const { remote, clock, log, random, pace = {}, metrics, connection } = options
  const breaker = new Breaker({ ...options, ...pace, isConnected: connection.isConnected })
  connection.onConnection((isConnected) => breaker.connectionChanged(isConnected))
  tellOfChanges(breaker, log)

  let placeLate: OnLateCrossing = () => {}
  let lastLift: LiftedAt = () => 0
  const tally = createTally({ listener: metrics, clock, log })
  const gate = createGate({ ...options, ...pace, breaker, tally })
  const local = createLocalStores(options.local)
  const parts = { ...pace, breaker, clock, log, random }
  const outbox = createViolationOutbox({
    ...parts,
    remote: remote.scores,
    onEmpty: local.forgetScores,
    onLateCrossing: (crossing) => placeLate(crossing),
    liftedAt: (subject) => lastLift(subject),
  })
  const known = options.local.leases(local.scores)
  const memory = createLeaseMemory({ ...parts, remote: remote.leases, local: local.leases, known })
  const suspensions = {
    remote: remote.suspensions,
    local: local.suspensions,
    gate,
    memory: createSuspensionMemory({ ...parts, remote: remote.suspensions, local: local.suspensions }),
  }
  const forgetting = forgetInTime(breaker, local)

  const shared = { gate, outbox, memory, suspensions, onDegraded: tally.degraded }
  return {
    counters: guardCounters({ ...shared, remote: remote.counters, local: local.counters }),
    scores: guardScores({ ...shared, remote: remote.scores, local: local.scores }),
    leases: guardLeases({ ...shared, remote: remote.leases, local: local.leases }),
    suspensions: guardSuspensions(suspensions),
    breaker,
    meters: metersOf(breaker, { violations: outbox, releases: memory, suspensions: suspensions.memory }),
    health: () => healthOf(breaker),
    onLateCrossing: (listener, liftedAt = lastLift) => { [placeLate, lastLift] = [listener, liftedAt] },
    close: async (withinMs) => {
      forgetting.stop()
      breaker.close()
      const queues = [outbox, memory, suspensions.memory]
      const left = await Promise.all(queues.map((queue) => queue.close(withinMs)))
      if (left.every((count) => count === 0)) return
      const [violations, releases, suspensionsLeft] = left
      log.warn({ violations, releases, suspensions: suspensionsLeft }, 'The shared store is away at the end and will not be told of these')
    },
  }
}

function forgetInTime (breaker: Breaker, local: LocalStores): { stop (): void } {
  let timer: NodeJS.Timeout | undefined
  breaker.onChange(({ isOpen }) => {
    clearTimeout(timer)
    if (!isOpen) timer = setTimeout(local.forgetCounts, FORGET_AFTER_MS).unref()
  })
  return { stop: () => clearTimeout(timer) }
}
