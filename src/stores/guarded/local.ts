import type { Binding, Lease, LeaseList, LeaseRecord, LeaseStore, TakeRequest, TakeResult } from '../../concurrency/contract.js'
import type { Charge, CounterStore, Decision, DecisionRequest } from '../../limits/contract.js'
import type { Booking } from '../../verdict/verdict.js'
import type { LocalSuspensions } from '../../suspensions/contract.js'
import type { BookRequest, ScoreRecord, ScoreStore } from '../../violations/contract.js'

/** Counters in process, which answer at once. */
export interface LocalCounters extends CounterStore {
  decide (request: DecisionRequest): Decision
  charge (charge: Charge): void
  refund (charge: Charge): void
}

export interface LocalScores extends ScoreStore {
  book (request: BookRequest): Booking
  list (subject?: string): readonly ScoreRecord[]
  cleanSince (subjects: readonly string[], since: number): readonly string[]
  reset (subject: string, type?: string): void
}

export interface LocalLeases extends LeaseStore {
  take (request: TakeRequest): TakeResult
  renew (lease: Lease, leaseMs: number, now: number): void
  release (lease: Lease): void
  bind (binding: Binding): LeaseRecord | undefined
  list (holder: string, rule: string, now: number): LeaseList
}

/** How the stores in process are made, empty. */
export interface LocalMakers {
  scores (): LocalScores
  /** They book where they are told to. */
  leases (scores: LocalScores): LocalLeases
  counters (scores: LocalScores, leases: LocalLeases): LocalCounters
  suspensions (): LocalSuspensions
}

/** What decides while the shared store is away, in process. */
export interface LocalStores {
  readonly counters: LocalCounters
  readonly scores: LocalScores
  readonly leases: LocalLeases
  readonly suspensions: LocalSuspensions
  /** The shared store knows all these scores by now. */
  forgetScores (): void
  /** So long after the last absence, the memory that the counts take is worth more than they are. */
  forgetCounts (): void
}

/** Leases and suspensions are not forgotten: they run out by themselves, and would be missed in the next absence. */
export function createLocalStores (make: LocalMakers): LocalStores {
  let current = make.scores()
  const scores: LocalScores = {
    book: (request) => current.book(request),
    list: (subject) => current.list(subject),
    cleanSince: (subjects, since) => current.cleanSince(subjects, since),
    reset: (subject, type) => current.reset(subject, type),
  }
  const leases = make.leases(scores)
  let counts = make.counters(scores, leases)
  return {
    scores,
    leases,
    suspensions: make.suspensions(),
    counters: {
      decide: (request) => counts.decide(request),
      charge: (charge) => counts.charge(charge),
      refund: (charge) => counts.refund(charge),
    },
    forgetScores: () => { current = make.scores() },
    forgetCounts: () => { counts = make.counters(scores, leases) },
  }
}
