/**
 * Which algorithm counts for a limiter. Used by the stores, which keep the states, and by nobody else outside.
 */
import type { Limiter } from './contract.js'
import type { Asked, Standing, WindowRule } from './algorithms/algorithm.js'
import { fixedWindow, type FixedWindowState } from './algorithms/fixed-window.js'
import { gcra, type GcraState } from './algorithms/gcra.js'
import { slidingLog, type SlidingLogState } from './algorithms/sliding-log.js'
import { slidingWeighted, type SlidingWeightedState } from './algorithms/sliding-weighted.js'

/** Up to this `max` a sliding window remembers every hit; above, and where it counts tokens, it weighs two counts. */
export const EXACT_SLIDING_MAX = 1000

/** What a store keeps of a bucket. */
export type WindowState = FixedWindowState | SlidingLogState | SlidingWeightedState | GcraState
type Kind = WindowState['kind']
export type { Standing }
export type WindowLimiter = WindowRule & Pick<Limiter, 'algorithm'> & Partial<Pick<Limiter, 'tokens'>>

/**
 * Where a bucket stands; changes nothing. A state of another algorithm (before a reload) is a whole bucket. Whoever asks
 * for more than a whole bucket holds never passes and is told when it is whole.
 */
export function standingOf (limiter: WindowLimiter, state: WindowState | undefined, { cost, now }: Asked): Standing {
  if (limiter.max <= 0) return closed(limiter, now)
  const asked = { cost: Math.min(cost, limiter.algorithm === 'gcra' ? limiter.burst : limiter.max), now }
  switch (kindOf(limiter)) {
    case 'fixed-window': return fixedWindow.look(state?.kind === 'fixed-window' ? state : undefined, limiter, asked)
    case 'sliding-log': return slidingLog.look(state?.kind === 'sliding-log' ? state : undefined, limiter, asked)
    case 'sliding-weighted': return slidingWeighted.look(state?.kind === 'sliding-weighted' ? state : undefined, limiter, asked)
    case 'gcra': return gcra.look(state?.kind === 'gcra' ? state : undefined, limiter, asked)
  }
}

/** Takes the places, room or not. The state given may be changed and answered. */
export function chargeWindow (limiter: WindowLimiter, state: WindowState | undefined, asked: Asked): WindowState {
  switch (kindOf(limiter)) {
    case 'fixed-window': return fixedWindow.charge(state?.kind === 'fixed-window' ? state : undefined, limiter, asked)
    case 'sliding-log': return slidingLog.charge(state?.kind === 'sliding-log' ? state : undefined, limiter, asked)
    case 'sliding-weighted': return slidingWeighted.charge(state?.kind === 'sliding-weighted' ? state : undefined, limiter, asked)
    case 'gcra': return gcra.charge(state?.kind === 'gcra' ? state : undefined, limiter, asked)
  }
}

/** Gives the places back. */
export function refundWindow (limiter: WindowLimiter, state: WindowState, asked: Asked): WindowState {
  switch (state.kind) {
    case 'fixed-window': return fixedWindow.refund(state, limiter, asked)
    case 'sliding-log': return slidingLog.refund(state, limiter, asked)
    case 'sliding-weighted': return slidingWeighted.refund(state, limiter, asked)
    case 'gcra': return gcra.refund(state, limiter, asked)
  }
}

function kindOf ({ algorithm, max, tokens }: WindowLimiter): Kind {
  if (algorithm !== 'sliding-window') return algorithm
  return max <= EXACT_SLIDING_MAX && tokens === undefined ? 'sliding-log' : 'sliding-weighted'
}

/** `max: 0`: nothing passes. Whoever asks when to come back is told to wait a window. */
function closed ({ windowMs }: WindowRule, now: number): Standing {
  return { remaining: 0, resetAt: now + windowMs, retryAt: now + windowMs }
}
