import { isOfTheFuture, type WindowAlgorithm, type WindowRule } from './algorithm.js'

/** Every place taken, with its instant: in no stretch of `windowMs` do more than `max` pass. Exact, at 8 bytes a hit. */
export interface SlidingLogState {
  readonly kind: 'sliding-log'
  /** Ascending; never more than `max`. */
  hits: number[]
}

export const slidingLog: WindowAlgorithm<SlidingLogState> = {
  look (state, rule, { cost, now }) {
    const hits = state?.hits ?? []
    const newest = hits.at(-1)
    if (newest === undefined || hasLeft(newest, rule, now)) return { remaining: rule.max, resetAt: now, retryAt: now }
    const live = hits.length - firstLive(hits, rule, now)
    const remaining = Math.max(0, rule.max - live)
    // When full, one passes as soon as the oldest of the last `max` has left; a dearer one waits for more to leave.
    const blocking = hits[hits.length - rule.max + cost - 1] ?? now
    return { remaining, resetAt: newest + rule.windowMs, retryAt: remaining >= cost ? now : blocking + rule.windowMs }
  },

  charge (state, rule, { cost, now }) {
    const places = Math.min(cost, rule.max)
    if (state === undefined) return { kind: 'sliding-log', hits: new Array<number>(places).fill(now) }
    const newest = state.hits.at(-1) ?? now
    if (hasLeft(newest, rule, now)) {
      state.hits = new Array<number>(places).fill(now)
      return state
    }
    // A clock that steps back a little must not break the order.
    for (let taken = 0; taken < places; taken++) state.hits.push(Math.max(now, newest))
    // What lies before the last `max` decides nothing any more.
    const surplus = Math.max(firstLive(state.hits, rule, now), state.hits.length - rule.max)
    if (surplus > 0) state.hits.splice(0, surplus)
    return state
  },

  refund (state, _rule, { cost, taken }) {
    if (taken === undefined) state.hits.splice(-cost)
    else state.hits.splice(...placesOf(state.hits, taken.at, cost))
    return state
  },
}

function hasLeft (hitAt: number, rule: WindowRule, now: number): boolean {
  return hitAt <= now - rule.windowMs || isOfTheFuture(hitAt, rule, now)
}

/** Index of the oldest hit that still counts. */
function firstLive (hits: readonly number[], rule: WindowRule, now: number): number {
  return firstBehind(hits, now - rule.windowMs)
}

/** Where those of one instant stand, and how many of them there are, `most` at most. */
function placesOf (hits: readonly number[], at: number, most: number): [first: number, count: number] {
  const end = firstBehind(hits, at)
  let first = end
  while (end - first < most && hits[first - 1] === at) first--
  return [first, end - first]
}

/** Index of the first hit later than that: a binary search. */
function firstBehind (hits: readonly number[], at: number): number {
  let low = 0
  let high = hits.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((hits[middle] as number) <= at) low = middle + 1
    else high = middle
  }
  return low
}
