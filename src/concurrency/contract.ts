import type { Exchange } from '../exchange.js'
import type { OnFailure } from '../limits/contract.js'
import type { Booking, Verdict } from '../verdict/verdict.js'
import type { Breach } from '../violations/contract.js'

/** A slot for a message in flight. It runs out by itself unless it is renewed. */
export interface Lease {
  readonly id: string
  /** `user:42`. */
  readonly holder: string
  /** Name of the concurrency rule. */
  readonly rule: string
  readonly takenAt: number
}

/** A lease as the store keeps it. */
export interface LeaseRecord extends Lease {
  readonly expiresAt: number
  /** The backend's stream that this message's answer travels on, once known. */
  readonly stream?: string
  /** Instant of the binding. */
  readonly boundAt?: number
  /** What the client called this message, to know a repetition by (`clientRequestId`). */
  readonly repeatKey?: string
}

/** Leases of a store: a sorted set a holder, never a counter, so that nothing leaks. Each call is atomic. */
export interface LeaseStore {
  /** Takes a slot if fewer than `max` live ones exist; `held` counts the live ones, the new one included. */
  take (request: TakeRequest): TakeResult | Promise<TakeResult>
  /** A live lease runs out `leaseMs` from now: later than it would have, or sooner. A lease that is gone stays gone. */
  renew (lease: Lease, leaseMs: number, now: number): void | Promise<void>
  release (lease: Lease): void | Promise<void>
  /**
   * Says which stream a lease's answer travels on. Answers the holder's other live lease on that stream with the
   * same repeat key, if there is one: then this message is a repetition and the caller gives it back.
   */
  bind (binding: Binding): LeaseRecord | undefined | Promise<LeaseRecord | undefined>
  /** Live leases of a holder; a look, it changes nothing. */
  list (holder: string, rule: string, now: number): LeaseList | Promise<LeaseList>
}

export interface LeaseList {
  /** The instant that the store looked at, by the clock that also dates `boundAt` and `expiresAt`. */
  readonly at: number
  readonly records: readonly LeaseRecord[]
}

/** The question for a slot, as it may also travel within a decision. */
export interface SlotRequest {
  readonly lease: Lease
  readonly max: number
  readonly leaseMs: number
  /**
   * A live lease of this holder and rule with this repeat key: no slot is taken and the result says `repeated`, so that
   * the backend can be asked first. Undefined: it is not looked for.
   */
  readonly unlessRepeated: string | undefined
  /** Booked in the same atomic step when there is no room (not for a repetition). */
  readonly breach: Breach | undefined
  readonly onFailure: OnFailure
  /** Observe mode: refused is granted nothing, but a store that is away never refuses. */
  readonly observe: boolean
}

export interface TakeRequest extends SlotRequest {
  /** Names the violation that may be booked; see `BookRequest`. */
  readonly id: string
  readonly now: number
}

export interface Binding {
  readonly lease: Lease
  readonly stream: string
  /** Undefined: the client gave the message no name. */
  readonly repeatKey: string | undefined
  readonly now: number
}

export interface TakeResult {
  readonly granted: boolean
  /** Live leases, the new one included when granted. */
  readonly held: number
  /** No slot was taken since a live lease has the repeat key that was asked about. */
  readonly repeated: boolean
  /** What the refusal's breach did to the score; undefined: there was no refusal, or no breach. */
  readonly booking: Booking | undefined
  /** The store is away and the rule says `closed`: the request is refused with 503. */
  readonly unavailable: boolean
}

/** How a decision about limiters takes the slots of a request along. */
export interface SlotDesk {
  /** What this exchange asks for, in the order of its plan; empty: it is not counted. Each call asks for new leases. */
  request (exchange: Exchange): readonly SlotRequest[]
  /**
   * The verdict on what the store answered; slots that it did not come to are asked for one by one. A refusal gives back
   * what was granted. Never rejects because of a store.
   */
  conclude (exchange: Exchange, results: readonly TakeResult[]): Verdict | undefined | Promise<Verdict | undefined>
  /** The store's answer is lost: gives back what it may have granted. */
  abandon (exchange: Exchange): void
}
