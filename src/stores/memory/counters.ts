import type { TakeRequest, TakeResult } from '../../concurrency/contract.js'
import {
  observedId, type Charge, type CounterStore, type Decision, type DecisionRequest, type Hit, type Limiter,
  type LimiterState, type ObservedRefusal,
} from '../../limits/contract.js'
import { chargeWindow, refundWindow, standingOf, type Standing, type WindowState } from '../../limits/window.js'
import { suspendedDecision } from '../../limits/suspended-decision.js'
import type { Booking } from '../../verdict/verdict.js'
import type { BookRequest } from '../../violations/contract.js'
import { BucketTable } from './bucket-table.js'
import type { LocalSuspensions } from '../../suspensions/contract.js'

const MAX_BUCKETS = 1_000_000
/** Of those on disk there are fewer: they are written whole, or read at the start. */
export const MAX_PERSISTED_BUCKETS = 100_000
const NO_SLOTS: readonly TakeResult[] = []

export interface MemoryCountersOptions {
  /** Books at once, so that refusing and booking are one step. */
  readonly scores: { book (request: BookRequest): Booking }
  /** Takes slots at once, so that they are one step with the limiters. */
  readonly leases: { take (request: TakeRequest): TakeResult }
  /** Looked at first, for the watched subject. Absent: nobody is suspended. */
  readonly suspensions?: Pick<LocalSuspensions, 'find'>
  /** Buckets of limiters with `persist`. */
  readonly persisted?: BucketTable
  /** Called when one of those has changed. */
  onPersisted? (): void
  /** Buckets of those among them that are `many`. */
  readonly many?: BucketTable
  /** Called when one of these has changed. */
  onMany? (key: string): void
  readonly maxBuckets?: number
}

export interface MemoryCounters extends CounterStore {
  decide (request: DecisionRequest): Decision
  charge (charge: Charge): void
  refund (charge: Charge): void
  /** For the operator's numbers. */
  readonly size: number
  readonly evicted: number
}

/** Counters in process. Every call runs in one tick, which is all the atomicity there is to have. */
export function createMemoryCounters (options: MemoryCountersOptions): MemoryCounters {
  const { scores, leases, suspensions, onPersisted, onMany } = options
  const { persisted = new BucketTable(MAX_PERSISTED_BUCKETS), many = new BucketTable(MAX_PERSISTED_BUCKETS) } = options
  const volatile = new BucketTable(options.maxBuckets ?? MAX_BUCKETS)

  function tableOf (limiter: Limiter): BucketTable {
    if (!limiter.persist) return volatile
    return limiter.many === true ? many : persisted
  }

  function stateOf ({ limiter, bucket }: Charge): WindowState | undefined {
    return tableOf(limiter).get(keyOf(limiter, bucket))
  }

  function put (charge: Charge, state: WindowState): Standing {
    const { limiter, bucket, now } = charge
    const standing = standingOf(limiter, state, charge)
    const key = keyOf(limiter, bucket)
    const table = tableOf(limiter)
    table.set(key, state, { wholeAt: standing.resetAt, now })
    if (table === persisted) onPersisted?.()
    else if (table === many) onMany?.(key)
    return standing
  }

  function take (charge: Charge): Standing {
    return put(charge, chargeWindow(charge.limiter, stateOf(charge), charge))
  }

  function decide (request: DecisionRequest): Decision {
    const { watched, now } = request
    const suspension = watched === undefined ? undefined : suspensions?.find(watched, now)
    if (suspension !== undefined) return suspendedDecision(suspension, now)
    const decision = decideHits(request)
    const takesSlots = decision.refused < 0 && request.slots.length > 0
    return takesSlots ? { ...decision, slots: takeSlots(request) } : decision
  }

  function decideHits ({ id, hits, now }: DecisionRequest): Decision {
    const states: LimiterState[] = []
    const observed: ObservedRefusal[] = []
    let refused = -1
    let booking: Booking | undefined
    for (let i = 0; i < hits.length; i++) {
      const { limiter, bucket, subject, cost, peek, breach } = hits[i] as Hit
      const charge = { limiter, bucket, subject, cost, now }
      const standing = standingOf(limiter, stateOf(charge), charge)
      const isFull = standing.remaining < cost
      states.push(refused >= 0 || isFull || peek
        ? { limiter, bucket, subject, charged: 0, ...standing }
        : { limiter, bucket, subject, charged: cost, ...take(charge) })
      if (refused >= 0 || !isFull) continue
      const bookingId = limiter.observe ? observedId(id, i) : id
      const booked = breach === undefined ? undefined : scores.book({ id: bookingId, breach, now })
      if (limiter.observe) {
        observed.push({ hit: i, booking: booked })
      } else {
        refused = i
        booking = booked
      }
    }
    return { at: now, states, refused, booking, observed, slots: NO_SLOTS, unavailable: undefined }
  }

  function takeSlots ({ id, slots, now }: DecisionRequest): readonly TakeResult[] {
    const results: TakeResult[] = []
    for (const slot of slots) {
      const result = leases.take({ ...slot, id, now })
      results.push(result)
      if (!result.granted) break
    }
    return results
  }

  return {
    decide,
    charge: (charge) => { take(charge) },
    refund (charge) {
      const state = stateOf(charge)
      if (state !== undefined) put(charge, refundWindow(charge.limiter, state, charge))
    },
    get size () { return volatile.size + persisted.size + many.size },
    get evicted () { return volatile.evicted + persisted.evicted + many.evicted },
  }
}

/** No name in a YAML key holds a line break in earnest. */
function keyOf (limiter: Limiter, bucket: string): string {
  return `${limiter.name}\n${bucket}`
}
