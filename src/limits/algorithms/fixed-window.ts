import { isOfTheFuture, type WindowAlgorithm, type WindowRule } from './algorithm.js'

/** A window that starts at a key's first hit and ends `windowMs` later, whatever was refused meanwhile. */
export interface FixedWindowState {
  readonly kind: 'fixed-window'
  startedAt: number
  count: number
}

export const fixedWindow: WindowAlgorithm<FixedWindowState> = {
  look (state, rule, { cost, now }) {
    if (state === undefined || hasEnded(state, rule, now)) return { remaining: rule.max, resetAt: now, retryAt: now }
    const endsAt = state.startedAt + rule.windowMs
    const remaining = Math.max(0, rule.max - state.count)
    return { remaining, resetAt: endsAt, retryAt: remaining >= cost ? now : endsAt }
  },

  charge (state, rule, { cost, now }) {
    if (state === undefined) return { kind: 'fixed-window', startedAt: now, count: cost }
    if (hasEnded(state, rule, now)) {
      state.startedAt = now
      state.count = 0
    }
    state.count += cost
    return state
  },

  refund (state, rule, { cost, now, taken }) {
    const isOfThisWindow = taken === undefined || taken.at >= state.startedAt
    if (isOfThisWindow && !hasEnded(state, rule, now)) state.count = Math.max(0, state.count - cost)
    return state
  },
}

function hasEnded (state: FixedWindowState, rule: WindowRule, now: number): boolean {
  return now >= state.startedAt + rule.windowMs || isOfTheFuture(state.startedAt, rule, now)
}
