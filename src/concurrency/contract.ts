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
  list (holder: string, rule: string, now: number): readonly LeaseRecord[] | Promise<readonly LeaseRecord[]>
}

export interface TakeRequest {
  readonly lease: Lease
  readonly max: number
  readonly leaseMs: number
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
}
