import { PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks'

/** Shorter ones are none. Milliseconds. */
const STALL_MS = 5

interface Stall { readonly from: number, readonly to: number, readonly workedMs: number }

/**
 * Watches how long the event loop is held; call the answer to end it and learn the longest times, in milliseconds, the
 * longest first. Of
 * the thread's own work, so that a busy machine does not count, and without the collection of garbage, most of which is
 * that of the tests' own compiler.
 */
export function watchLoop (): () => readonly number[] {
  const stalls: Stall[] = []
  const collected: PerformanceEntry[] = []
  const observer = new PerformanceObserver((list) => { collected.push(...list.getEntries()) })
  observer.observe({ entryTypes: ['gc'] })
  let worked = workedMs()
  let at = performance.now()
  const note = () => {
    const stall = { from: at, to: performance.now(), workedMs: workedMs() - worked }
    if (stall.workedMs > STALL_MS) stalls.push(stall)
    worked = workedMs()
    at = performance.now()
  }
  const timer = setInterval(note, 1)
  return () => {
    clearInterval(timer)
    note()
    collected.push(...observer.takeRecords())
    observer.disconnect()
    return stalls.map((stall) => stall.workedMs - collectedWithin(stall, collected)).sort((a, b) => b - a)
  }
}

function collectedWithin ({ from, to }: Stall, collected: readonly PerformanceEntry[]): number {
  return collected.filter(({ startTime }) => startTime >= from && startTime < to)
    .reduce((sum, { duration }) => sum + duration, 0)
}

function workedMs (): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
