import type { Taken } from '../contract.js'
import { isOfTheFuture, type WindowAlgorithm, type WindowRule } from './algorithm.js'

/**
 * The generic cell rate algorithm as a leaky bucket: places come back one by one every `windowMs / max`,
 * and at most `burst` may be taken at once.
 *
 * `debt` counts in places × `windowMs`: it grows by `windowMs` a place and shrinks by `max` a millisecond,
 * so that no fraction ever arises.
 */
export interface GcraState {
  readonly kind: 'gcra'
  debt: number
  at: number
}

export const gcra: WindowAlgorithm<GcraState> = {
  look (state, rule, { cost, now }) {
    const debt = debtAt(state, rule, now)
    const remaining = Math.floor((rule.burst * rule.windowMs - debt) / rule.windowMs)
    const excess = debt - (rule.burst - cost) * rule.windowMs
    // A clock that stepped back sees the debt as of the instant it was made.
    const at = Math.max(now, state === undefined || debt === 0 ? now : state.at)
    return {
      remaining,
      resetAt: at + Math.ceil(debt / rule.max),
      retryAt: remaining >= cost ? now : at + Math.ceil(excess / rule.max),
    }
  },

  charge (state, rule, { cost, now }) {
    const debt = Math.min(debtAt(state, rule, now) + cost * rule.windowMs, rule.burst * rule.windowMs)
    if (state === undefined) return { kind: 'gcra', debt, at: now }
    state.at = isOfTheFuture(state.at, rule, now) ? now : Math.max(now, state.at)
    state.debt = debt
    return state
  },

  refund (state, rule, { cost, now, taken }) {
    const places = Math.min(cost * rule.windowMs, taken === undefined ? Infinity : unpaid(taken, rule, now))
    state.debt = Math.max(0, state.debt - places)
    return state
  },
}

/**
 * What has not come back by itself of the debt that stood after a charge. No more is given back, or it would be taken
 * from those who came later.
 */
function unpaid ({ at, remaining }: Taken, rule: WindowRule, now: number): number {
  return Math.max(0, (rule.burst - remaining) * rule.windowMs - Math.max(0, now - at) * rule.max)
}

/** Never above a full bucket, so that a rule made stricter by a reload forgives within one refill. */
function debtAt (state: GcraState | undefined, rule: WindowRule, now: number): number {
  if (state === undefined || isOfTheFuture(state.at, rule, now)) return 0
  const paid = Math.max(0, now - state.at) * rule.max
  return Math.min(Math.max(0, state.debt - paid), rule.burst * rule.windowMs)
}
