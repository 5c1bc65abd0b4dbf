import { isOfTheFuture, type Asked, type WindowAlgorithm, type WindowRule } from './algorithm.js'

/**
 * Two counts instead of a log, for large `max`: the hits of the window before are taken to have come evenly,
 * and count by the share of that window which the sliding one still covers.
 *
 * Error: hits that really came evenly are counted right to one hit. At the worst (all of them at the very end of the
 * window before) a stretch of `windowMs` sees less than `2 × max` pass; never more than `max` pass in one
 * window of the grid. At the other worst (all at its start) a request waits at most one window longer than an exact log
 * would make it wait.
 */
export interface SlidingWeightedState {
  readonly kind: 'sliding-weighted'
  /** Start of the current window; the grid begins with the key's first hit. */
  startedAt: number
  current: number
  previous: number
}

interface View { readonly startedAt: number, readonly current: number, readonly previous: number }

export const slidingWeighted: WindowAlgorithm<SlidingWeightedState> = {
  look (state, rule, { cost, now }) {
    const { startedAt, current, previous } = viewAt(state, rule, now)
    const elapsedMs = Math.max(0, now - startedAt)
    // In hits × milliseconds, so that everything stays an integer.
    const weighted = previous * (rule.windowMs - elapsedMs)
    const remaining = Math.max(0, Math.floor(((rule.max - current) * rule.windowMs - weighted) / rule.windowMs))
    const endsAt = startedAt + rule.windowMs
    const resetAt = current > 0 ? endsAt + rule.windowMs : previous > 0 ? endsAt : now
    const passesAt = remaining >= cost ? now : retryAt({ startedAt, current, previous }, rule, cost)
    return { remaining, resetAt, retryAt: passesAt }
  },

  charge (state, rule, { cost, now }) {
    const view = viewAt(state, rule, now)
    const kept = state ?? { kind: 'sliding-weighted', startedAt: now, current: 0, previous: 0 }
    kept.startedAt = view.startedAt
    kept.previous = view.previous
    kept.current = view.current + cost
    return kept
  },

  refund (state, rule, { cost, now, taken }) {
    if (taken !== undefined) return refundOf(state, rule, { cost, now, taken })
    const ofCurrent = Math.min(cost, state.current)
    state.current -= ofCurrent
    state.previous = Math.max(0, state.previous - (cost - ofCurrent))
    return state
  },
}

/** Takes the places out of the window in which they were taken. */
function refundOf (
  state: SlidingWeightedState, rule: WindowRule, { cost, now, taken }: Required<Asked>
): SlidingWeightedState {
  const { startedAt, current, previous } = viewAt(state, rule, now)
  const isOfCurrent = taken.at >= startedAt
  const isOfPrevious = !isOfCurrent && taken.at >= startedAt - rule.windowMs
  state.startedAt = startedAt
  state.current = isOfCurrent ? Math.max(0, current - cost) : current
  state.previous = isOfPrevious ? Math.max(0, previous - cost) : previous
  return state
}

/** The state as it reads at `now`, with windows that have passed moved on. */
function viewAt (state: SlidingWeightedState | undefined, rule: WindowRule, now: number): View {
  const fresh = { startedAt: now, current: 0, previous: 0 }
  if (state === undefined || isOfTheFuture(state.startedAt, rule, now)) return fresh
  const passed = Math.floor((now - state.startedAt) / rule.windowMs)
  if (passed > 1) return fresh
  const view = passed <= 0 ? state : { startedAt: state.startedAt + rule.windowMs, current: 0, previous: state.current }
  // After a refund it may be whole, and a store may have forgotten it: its grid begins anew either way.
  return view.current + view.previous > 0 ? view : fresh
}

/** When the weight of the past has sunk far enough. */
function retryAt ({ startedAt, current, previous }: View, rule: WindowRule, cost: number): number {
  const room = rule.max - cost - current
  if (room >= 0) return startedAt + rule.windowMs - Math.floor(room * rule.windowMs / previous)
  // Not in this window: in the next one these are the past.
  const shareMs = Math.floor((rule.max - cost) * rule.windowMs / current)
  return startedAt + rule.windowMs + rule.windowMs - Math.min(rule.windowMs, shareMs)
}
