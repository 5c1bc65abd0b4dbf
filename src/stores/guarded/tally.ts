import type { Clock } from '../../clock.js'
import type { OnFailure } from '../../limits/contract.js'
import type { Log } from '../../log.js'
import { createRarely, messageOf } from './rarely.js'
import { TooLateError } from './deadline.js'

/** Where a process tells what it had to do without the shared store. The metrics fit. */
export interface DegradedListener {
  /** A rule's `onFailure` decided. */
  storeDegraded (outcome: OnFailure): void
  /** An answer did not come within the deadline. */
  storeDeadline (): void
}

export interface Tally {
  degraded (outcome: OnFailure): void
  /** A call got no answer in time, or an error. */
  missed (error: unknown): void
  /** What the store holds for a question is none of ours. */
  unreadable (error: unknown): void
}

/** Counts what goes wrong, and tells of single failures, which no breaker notices, once a minute. */
export function createTally (
  { listener, clock, log }: { listener: DegradedListener, clock: Clock, log: Log }
): Tally {
  const tellOfFailure = createRarely((count, error) => {
    log.warn({ reason: messageOf(error), calls: count }, 'The shared store did not answer a call, which was decided without it')
  }, clock)
  const tellOfKey = createRarely((count, error) => {
    log.warn({ reason: messageOf(error), calls: count }, 'A key in the shared store holds what is not ours: its requests were decided without it')
  }, clock)
  return {
    degraded: (outcome) => listener.storeDegraded(outcome),
    missed (error) {
      if (error instanceof TooLateError) listener.storeDeadline()
      tellOfFailure(error)
    },
    unreadable: tellOfKey,
  }
}
