import type { CounterStore, Decision, Hit, Limiter, LimiterState, ObservedRefusal } from '../../limits/contract.js'
import { chargeWindow, refundWindow, standingOf, type WindowState } from '../../limits/window.js'
import type { Booking } from '../../verdict/verdict.js'
import type { Breach } from '../../violations/contract.js'
import { BucketTable } from './bucket-table.js'

const MAX_BUCKETS = 1_000_000
/** Those on disk are written whole, so there are fewer. */
export const MAX_PERSISTED_BUCKETS = 100_000

export interface MemoryCountersOptions {
  /** Books at once, so that refusing and booking are one step. */
  readonly scores: { book (breach: Breach, now: number): Booking }
  /** Buckets of limiters with `persist`. */
  readonly persisted?: BucketTable
  /** Called when one of those has changed. */
  onPersisted? (): void
  readonly maxBuckets?: number
}

export interface MemoryCounters extends CounterStore {
  decide (hits: readonly Hit[], now: number): Decision
  charge (limiter: Limiter, bucket: string, now: number): void
  refund (limiter: Limiter, bucket: string, now: number): void
  /** For the operator's numbers. */
  readonly size: number
  readonly evicted: number
}

interface Put { readonly bucket: string, readonly state: WindowState, readonly now: number }

/** Counters in process. Every call runs in one tick, which is all the atomicity there is to have. */
export function createMemoryCounters (options: MemoryCountersOptions): MemoryCounters {
  const { scores, persisted = new BucketTable(MAX_PERSISTED_BUCKETS), onPersisted } = options
  const volatile = new BucketTable(options.maxBuckets ?? MAX_BUCKETS)
  const tableOf = (limiter: Limiter) => limiter.persist ? persisted : volatile

  function put (limiter: Limiter, { bucket, state, now }: Put): LimiterState {
    const standing = standingOf(limiter, state, now)
    tableOf(limiter).set(keyOf(limiter, bucket), state, { wholeAt: standing.resetAt, now })
    if (limiter.persist) onPersisted?.()
    return { limiter, bucket, charged: true, ...standing }
  }

  function charge (limiter: Limiter, bucket: string, now: number): LimiterState {
    const state = chargeWindow(limiter, tableOf(limiter).get(keyOf(limiter, bucket)), now)
    return put(limiter, { bucket, state, now })
  }

  function look ({ limiter, bucket }: Hit, now: number): LimiterState {
    const state = tableOf(limiter).get(keyOf(limiter, bucket))
    return { limiter, bucket, charged: false, ...standingOf(limiter, state, now) }
  }

  function decide (hits: readonly Hit[], now: number): Decision {
    const states: LimiterState[] = []
    const observed: ObservedRefusal[] = []
    let refused = -1
    let booking: Booking | undefined
    for (let i = 0; i < hits.length; i++) {
      const hit = hits[i] as Hit
      const state = look(hit, now)
      const isFull = state.remaining <= 0
      states.push(refused >= 0 || isFull || hit.peek ? state : charge(hit.limiter, hit.bucket, now))
      if (refused >= 0 || !isFull) continue
      const booked = hit.breach === undefined ? undefined : scores.book(hit.breach, now)
      if (hit.limiter.observe) {
        observed.push({ hit: i, booking: booked })
      } else {
        refused = i
        booking = booked
      }
    }
    return { states, refused, booking, observed }
  }

  return {
    decide,
    charge (limiter, bucket, now) {
      charge(limiter, bucket, now)
    },
    refund (limiter, bucket, now) {
      const state = tableOf(limiter).get(keyOf(limiter, bucket))
      if (state !== undefined) put(limiter, { bucket, state: refundWindow(limiter, state, now), now })
    },
    get size () { return volatile.size + persisted.size },
    get evicted () { return volatile.evicted + persisted.evicted },
  }
}

/** No name in a YAML key holds a line break in earnest. */
function keyOf (limiter: Limiter, bucket: string): string {
  return `${limiter.name}\n${bucket}`
}
