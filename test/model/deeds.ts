/** What is done, in full, and what comes of it: the common language of the rooms and the reference. */
import type { Binding, Lease, TakeRequest } from '../../src/concurrency/contract.js'
import type { Charge, DecisionRequest, LimiterState } from '../../src/limits/contract.js'
import type { Booking } from '../../src/verdict/verdict.js'
import type { BookRequest, ScoreRecord } from '../../src/violations/contract.js'

/** Score and ban rules of all sequences. */
export const INTERVAL = 3
export const BAN_MS = 2 * 3_600_000
export const SHARED_BY = 1
export const SHARED_WITHIN_MS = 3_600_000

export interface Caller {
  /** His id; undefined: nobody. */
  readonly user: string | undefined
  /** As it came. */
  readonly address: string
  /** The `ip:` subject. */
  readonly ip: string
}

export interface Holder { readonly holder: string, readonly rule: string }

export type Deed =
  /** A request: turned away by a ban, or decided on; a crossed score bans. */
  | { readonly kind: 'ask', readonly caller: Caller, readonly request: DecisionRequest }
  | { readonly kind: 'take', readonly caller: Caller, readonly request: TakeRequest }
  | { readonly kind: 'book', readonly caller: Caller, readonly request: BookRequest }
  /** Whoever missed the answer books again. */
  | { readonly kind: 'again', readonly request: BookRequest }
  | { readonly kind: 'charge' | 'refund', readonly charges: readonly Charge[] }
  | { readonly kind: 'renew', readonly lease: Lease, readonly leaseMs: number }
  | { readonly kind: 'release', readonly lease: Lease }
  | { readonly kind: 'bind', readonly binding: Binding }
  /** An operator's; null = for ever. */
  | { readonly kind: 'ban', readonly subject: string, readonly expiresAt: number | null }
  | { readonly kind: 'lift', readonly subject: string, readonly linked: boolean, readonly keepScore: boolean }
  | { readonly kind: 'reset', readonly subject: string, readonly type: string | undefined }
  | { readonly kind: 'look', readonly subjects: readonly string[], readonly holders: readonly Holder[] }

export type Standing = Pick<LimiterState, 'charged' | 'remaining' | 'resetAt' | 'retryAt'>
/** What became of one slot. */
export interface Taken {
  readonly granted: boolean
  readonly held: number
  readonly repeated: boolean
  readonly booking: Booking | undefined
}

export interface Verdict {
  readonly at: number
  readonly refused: number
  readonly states: readonly Standing[]
  readonly booking: Booking | undefined
  readonly observed: readonly { readonly hit: number, readonly booking: Booking | undefined }[]
  readonly slots: readonly Taken[]
}

export interface Sight {
  readonly scores: readonly ScoreRecord[]
  /** Users without a violation in the last day. */
  readonly clean: readonly string[]
  readonly leases: readonly (readonly unknown[])[]
}

/** What a deed was answered. Members that a deed has no answer for are missing. */
export interface Answer {
  /** The subject whose ban turned the request away. */
  readonly turnedAway?: string
  readonly verdict?: Verdict
  readonly taken?: Taken
  readonly booking?: Booking
  /** There is another lease with this stream and name. */
  readonly isRepetition?: boolean
  readonly lifted?: readonly string[]
  readonly sight?: Sight
}

/** Subject → when its ban ends; null = never. Only bans in force. */
export type Bans = Readonly<Record<string, number | null>>

export interface Outcome {
  readonly answer: Answer
  readonly bans: Bans
}

/** Something that does deeds: rooms over stores, or the reference. */
export interface Actor {
  readonly name: string
  readonly perform: (deed: Deed, moment: Moment) => Promise<Outcome>
}

export interface Moment {
  readonly now: number
  readonly instance: 0 | 1
  /** All that there are, whose bans are to be told. */
  readonly subjects: readonly string[]
}
