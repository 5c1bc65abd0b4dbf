/** Reference models: slow, obvious, from the definition. They remember every hit that passed. */
export interface NaiveRule { readonly max: number, readonly windowMs: number, readonly burst: number }
export type NaiveModel = (rule: NaiveRule) => (now: number) => boolean

/** A window opens with the first hit after the last one closed. */
export const naiveFixedWindow: NaiveModel = ({ max, windowMs }) => {
  const windows: { from: number, passed: number }[] = []
  return (now) => {
    let window = windows.find(({ from }) => now >= from && now < from + windowMs)
    if (window === undefined) windows.push(window = { from: now, passed: 0 })
    return ++window.passed <= max
  }
}

/** In the last `windowMs`, fewer than `max` passed. */
export const naiveSlidingWindow: NaiveModel = ({ max, windowMs }) => {
  const passed: number[] = []
  return (now) => {
    const admitted = passed.filter((at) => at > now - windowMs).length < max
    if (admitted) passed.push(now)
    return admitted
  }
}

/** Exact fractions: hit k of those that passed may come no earlier than its theoretical time minus the tolerance. */
export const naiveGcra: NaiveModel = ({ max, windowMs, burst }) => {
  // Everything times `max`, in big integers.
  let arrival = 0n
  const interval = BigInt(windowMs)
  return (now) => {
    const scaled = BigInt(now) * BigInt(max)
    const theoretical = arrival > scaled ? arrival : scaled
    if (theoretical - scaled > interval * BigInt(burst - 1)) return false
    arrival = theoretical + interval
    return true
  }
}

/** The grid of windows begins with the first hit after a pause of two windows; the past counts by its share. */
export const naiveWeighted: NaiveModel = ({ max, windowMs }) => {
  const passed: number[] = []
  let from: number | undefined
  return (now) => {
    if (from === undefined || now >= from + 2 * windowMs) from = now
    else if (now >= from + windowMs) from += windowMs
    const start = from
    const current = passed.filter((at) => at >= start).length
    const previous = passed.filter((at) => at < start && at >= start - windowMs).length
    const share = BigInt(previous) * BigInt(windowMs - (now - start))
    const admitted = BigInt(current + 1) * BigInt(windowMs) + share <= BigInt(max) * BigInt(windowMs)
    if (admitted) passed.push(now)
    return admitted
  }
}
