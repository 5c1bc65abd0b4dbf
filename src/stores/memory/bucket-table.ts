import type { WindowState } from '../../limits/window.js'

/** Hits of a sliding log that weigh as much as a bucket without a log. */
const HITS_PER_WEIGHT = 8
/** Buckets looked at for every charge: twice as many as one charge can add, so that what has expired goes. */
const SWEPT_PER_CHARGE = 2

export interface Bucket {
  readonly state: WindowState
  /** From here on the bucket is whole and need not be kept. */
  readonly wholeAt: number
  readonly weight: number
  /** As it stands on disk, once it was written there: most buckets of many do not change between two writings. */
  line?: string
}

/**
 * Buckets by key, bounded by weight: the one that was charged longest ago goes first. Our own and not lru-cache, since
 * logs grow in place, and what has expired is swept in small steps instead of with a timer a key.
 */
export class BucketTable {
  readonly #buckets = new Map<string, Bucket>()
  readonly #maxWeight: number
  #weight = 0
  #evicted = 0
  #cursor: Iterator<[string, Bucket]>

  /** @param maxWeight buckets at most; a sliding log counts as more than one */
  constructor (maxWeight: number) {
    this.#maxWeight = maxWeight
    this.#cursor = this.#buckets.entries()
  }

  get size (): number { return this.#buckets.size }

  /** Buckets given up since the start although they still counted something. */
  get evicted (): number { return this.#evicted }

  get (key: string): WindowState | undefined {
    return this.#buckets.get(key)?.state
  }

  /** As `get`, with all that is kept about it. */
  find (key: string): Bucket | undefined {
    return this.#buckets.get(key)
  }

  set (key: string, state: WindowState, { wholeAt, now }: { wholeAt: number, now: number }): void {
    this.#delete(key)
    const weight = weightOf(state)
    this.#buckets.set(key, { state, wholeAt, weight })
    this.#weight += weight
    this.#sweep(now)
    while (this.#weight > this.#maxWeight && this.#buckets.size > 1) this.#evictOldest(now)
  }

  entries (): IterableIterator<[string, Bucket]> {
    return this.#buckets.entries()
  }

  #evictOldest (now: number): void {
    const { value } = this.#buckets.entries().next()
    if (value === undefined) return
    if (value[1].wholeAt > now) this.#evicted++
    this.#delete(value[0])
  }

  /** A few steps of an endless walk; a Map's iterator lives with its changes. */
  #sweep (now: number): void {
    for (let step = 0; step < SWEPT_PER_CHARGE; step++) {
      const { value, done } = this.#cursor.next()
      if (done === true) {
        this.#cursor = this.#buckets.entries()
        return
      }
      if (value[1].wholeAt <= now) this.#delete(value[0])
    }
  }

  #delete (key: string): void {
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return
    this.#weight -= bucket.weight
    this.#buckets.delete(key)
  }
}

function weightOf (state: WindowState): number {
  return state.kind === 'sliding-log' ? 1 + Math.floor(state.hits.length / HITS_PER_WEIGHT) : 1
}
