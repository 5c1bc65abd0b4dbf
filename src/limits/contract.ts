import type { Booking } from '../verdict/verdict.js'
import type { Breach } from '../violations/contract.js'

/** What a limiter counts by. Parts are joined in this order: `ip+user`. */
export type LimiterKey = 'ip' | 'user' | 'group' | 'global'
export type Algorithm = 'fixed-window' | 'sliding-window' | 'gcra'

/** A named rule, as the compiled policy holds it. Routes that name the same limiter share its bucket. */
export interface Limiter {
  readonly name: string
  readonly key: readonly LimiterKey[]
  /** Requests that pass per window; 0 = nothing passes. */
  readonly max: number
  readonly windowMs: number
  readonly algorithm: Algorithm
  /** GCRA only: how many may come at once; `max` if absent. */
  readonly burst: number
  /** What a `user` key does without a user: the limiter is skipped, or the address stands in. */
  readonly anonymous: 'skip' | 'ip'
  /** Counted when the answer comes, and only with one of these statuses; empty: counted on admission. */
  readonly countStatus: readonly number[]
  /** Survives a restart of the memory store. */
  readonly persist: boolean
  /** Violation type and score of a refusal; no type: a refusal is no violation. */
  readonly violation: string | undefined
  readonly score: number
  /** Status of a refusal: 429, or 402 for quotas. */
  readonly status: number
  /** Text of a refusal, with `{windowMinutes}`, `{minutes}`, `{max}` still in it; undefined: the dialect's own. */
  readonly message: string | undefined
  readonly observe: boolean
}

/** One bucket that a request wants to be charged in, in the order of the route. */
export interface Hit {
  readonly limiter: Limiter
  /** The bucket: `ip:203.0.113.9`, `user:42`, `anonymous:ip:203.0.113.9`, `ip:…+user:…`, `global`. */
  readonly bucket: string
  /** Ask only whether there is room, charge nothing (limiters that count answers). */
  readonly peek: boolean
  /** Booked in the same atomic step when this hit is refused. */
  readonly breach: Breach | undefined
}

/** Where one bucket stands after the decision. */
export interface LimiterState {
  readonly limiter: Limiter
  readonly bucket: string
  /** True when this request took one of the bucket's places, which a refund gives back. */
  readonly charged: boolean
  readonly remaining: number
  /** Epoch milliseconds at which the bucket is whole again (fixed window: its end). */
  readonly resetAt: number
  /** Epoch milliseconds from which one more request would pass; the instant of the decision when there is room. */
  readonly retryAt: number
}

export interface Decision {
  /** One state a hit, in order. Hits behind the first refusal are looked at, not charged. */
  readonly states: readonly LimiterState[]
  /** Index of the hit that refused; -1: admitted. Hits of limiters that only observe never refuse. */
  readonly refused: number
  /** What the refusal's breach did to the score. */
  readonly booking: Booking | undefined
  /** Hits that would have refused, had they not only observed, each with what its (shadow) breach did. */
  readonly observed: readonly ObservedRefusal[]
}

export interface ObservedRefusal {
  /** Index of the hit. */
  readonly hit: number
  readonly booking: Booking | undefined
}

/**
 * Counters of a store. Each call is atomic. Buckets expire by themselves; an absent bucket is a full one.
 * Synchronous where the store is in process.
 */
export interface CounterStore {
  /** Charges the hits in order until one refuses; books that one's breach. Everything charged before a refusal stays charged. */
  decide (hits: readonly Hit[], now: number): Decision | Promise<Decision>
  /** Charges one bucket whatever its fill, for limiters that count answers. */
  charge (limiter: Limiter, bucket: string, now: number): void | Promise<void>
  /** Takes one charge back, for a request that turned out to be a repetition. */
  refund (limiter: Limiter, bucket: string, now: number): void | Promise<void>
}
