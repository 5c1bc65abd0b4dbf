const maxPaceMs = 5_000

/** Keeps renewals rare: at most one every few seconds, and several within the shortest lease. */
export class RenewalPace {
  readonly #paceMs: number
  #renewedAt: number

  constructor (leasesMs: readonly number[], startedAt: number) {
    this.#paceMs = Math.min(maxPaceMs, ...leasesMs.map((leaseMs) => leaseMs / 4))
    this.#renewedAt = startedAt
  }

  /** True when it is time; then the next one is counted from now. */
  isDue (now: number): boolean {
    if (now - this.#renewedAt < this.#paceMs) return false
    this.#renewedAt = now
    return true
  }
}
