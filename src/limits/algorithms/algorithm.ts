import type { Taken } from '../contract.js'

/** The numbers of a limiter that its algorithm needs. */
export interface WindowRule {
  /** At least 1: a limiter through which nothing passes needs no algorithm. */
  readonly max: number
  readonly windowMs: number
  /** GCRA only. */
  readonly burst: number
}

/** Where a bucket stands. A request passes while `remaining` is at least its cost. Instants in epoch milliseconds. */
export interface Standing {
  readonly remaining: number
  /** The bucket is whole again, and may be forgotten. */
  readonly resetAt: number
  /** A request of the cost asked for passes from here on; `now` while there is room. */
  readonly retryAt: number
}

/** How many places, and when; of a refund also when they were taken. */
export interface Asked { readonly cost: number, readonly now: number, readonly taken?: Taken }

/**
 * One way of counting, over a small state that a store keeps. No state = a whole bucket.
 * States hold integers only, so that a port to Lua (doubles) computes the very same. A cost is a whole number from 1;
 * a look is not asked about more than a whole bucket holds.
 */
export interface WindowAlgorithm<State> {
  /** A look: changes nothing. */
  look (state: State | undefined, rule: WindowRule, asked: Asked): Standing
  /** Takes the places whether or not there is room. May change the state it is given and answer that. */
  charge (state: State | undefined, rule: WindowRule, asked: Asked): State
  /** Gives the places back; those of a window that is over are nobody's any more. */
  refund (state: State, rule: WindowRule, asked: Asked): State
}

/** A system clock that jumped back by a window or more must not hold people in windows of the future. */
export function isOfTheFuture (at: number, rule: WindowRule, now: number): boolean {
  return at - now >= rule.windowMs
}
