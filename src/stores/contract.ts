import type { AddressUsers, BanStore } from '../bans/contract.js'
import type { LeaseStore } from '../concurrency/contract.js'
import type { CounterStore } from '../limits/contract.js'
import type { SuspensionStore } from '../suspensions/contract.js'
import type { HealthState, Meter } from '../telemetry/contract.js'
import type { Booking } from '../verdict/verdict.js'
import type { Breach, ScoreStore } from '../violations/contract.js'

/** A violation that nobody's answer waited for has crossed a multiple of the interval. */
export interface LateCrossing {
  readonly breach: Breach
  readonly booking: Booking
  /** When it happened, epoch milliseconds by this process's clock. */
  readonly happenedAt: number
}

/** All stores of a process, whatever stands behind them. */
export interface Stores {
  readonly kind: 'memory' | 'redis'
  readonly counters: CounterStore
  readonly scores: ScoreStore
  readonly leases: LeaseStore
  readonly bans: BanStore
  readonly addressUsers: AddressUsers
  readonly suspensions: SuspensionStore
  /** Numbers for the operator. */
  readonly meters: readonly Meter[]
  /** How they are, for the readiness probe. */
  health (): HealthState
  /**
   * Where violations may be booked after their requests were answered: sets who places the bans that they bring, and who
   * knows when a subject's ban was last lifted (0: never): what happened until then is forgiven. Absent: they never are.
   */
  onLateCrossing? (
    listener: (crossing: LateCrossing) => void | Promise<void>, liftedAt: (subject: string) => number
  ): void
  /** Flushes and stops. Never rejects: what fails is in the log. */
  close (): Promise<void>
}
