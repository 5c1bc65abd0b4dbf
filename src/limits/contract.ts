import type { SubjectKind } from '../identity/contract.js'
import type { SlotRequest, TakeResult } from '../concurrency/contract.js'
import type { Suspension } from '../suspensions/contract.js'
import type { Booking } from '../verdict/verdict.js'
import type { Breach } from '../violations/contract.js'

/** What a limiter counts by. Parts are joined in this order: `ip+user`. `model`: the one that the body asks for. */
export type LimiterKey = SubjectKind | 'model'
export type Algorithm = 'fixed-window' | 'sliding-window' | 'gcra'
/** What a rule does while the shared store is away: count in process, admit, or refuse with 503. */
export type OnFailure = 'local' | 'open' | 'closed'

/** A named rule, as the compiled policy holds it. Routes that name the same limiter share its bucket. */
export interface Limiter {
  readonly name: string
  readonly key: readonly LimiterKey[]
  /** Requests, or tokens, that pass per window; 0 = nothing passes. */
  readonly max: number
  readonly windowMs: number
  readonly algorithm: Algorithm
  /** GCRA only: how many may come at once; `max` if absent. */
  readonly burst: number
  /** What a `user` key does without a user: the limiter is skipped, or the address stands in. */
  readonly anonymous: 'skip' | 'ip'
  /**
   * Counts only requests of members, or only those without one and without a token that ought to name one (guests and
   * the anonymous, who are counted together); undefined: all.
   */
  readonly only: 'guests' | 'members' | undefined
  /** Counted when the answer comes, and only with one of these statuses; empty: counted on admission. */
  readonly countStatus: readonly number[]
  /** Survives a restart of the memory store. */
  readonly persist: boolean
  /** With `persist`: a decision that charged it is told only once that would survive `kill -9`. */
  readonly durable?: true
  /** With `persist`, of very many buckets: they have room and a file of their own, and never push others out. */
  readonly many?: true
  /** Violation type and score of a refusal; no type: a refusal is no violation. */
  readonly violation: string | undefined
  readonly score: number
  /** Status of a refusal: 429, or 402 for quotas. */
  readonly status: number
  /** What a refusal calls itself in the reply; undefined: its violation, else its name. */
  readonly type: string | undefined
  /** What replies and the journal give as `limiter`; undefined: what it counts by. */
  readonly shownAs: string | undefined
  /** Text of a refusal, with `{windowMinutes}`, `{minutes}`, `{max}` still in it; undefined: the dialect's own. */
  readonly message: string | undefined
  readonly observe: boolean
  readonly onFailure: OnFailure
  /** It counts tokens: reserved on admission, settled by the answer. Undefined: it counts requests. */
  readonly tokens: TokenReserve | undefined
  /**
   * When it is asked: before the body is read; once it is there, since the body says what is counted, and content has
   * nothing against it; or at the same time, but then messages that content refuses are counted too.
   */
  readonly after: 'head' | 'body' | 'content'
  /** A refusal silences the subject for so long, with this text (`{minutes}` still in it); undefined: it only refuses. */
  readonly suspend: { readonly durationMs: number, readonly message: string } | undefined
  /**
   * Refusals are silent where the dialect can be, but for one in so long in each bucket, which has this text (with the
   * same numbers in it as `message`); 0: none is told. Undefined: every refusal is told.
   */
  readonly drop: { readonly warnEveryMs: number, readonly message: string | undefined } | undefined
}

/** What a limiter of tokens reserves for an answer. */
export interface TokenReserve {
  /** For a request that names no cap of its own; it is written into its body. */
  readonly maxTokens: number
  /** Streams are asked to tell their usage at their end. */
  readonly includeUsage: boolean
}

/** One bucket that a request wants to be charged in, in the order of the route. */
export interface Hit {
  readonly limiter: Limiter
  /** The bucket: `ip:203.0.113.9`, `user:42`, `anonymous:ip:203.0.113.9`, `ip:…+user:…`, `global`. */
  readonly bucket: string
  /**
   * Whose bucket it is: the user, where one is part of the key, else the first part (`ip:203.0.113.9`, `group:7`,
   * `global`). Buckets of one subject lie together, so that a cluster decides on them in one call.
   */
  readonly subject: string
  /** Places that the request takes, all or none: a whole number from 1. */
  readonly cost: number
  /** Ask only whether there is room, charge nothing (limiters that count answers). */
  readonly peek: boolean
  /** Booked in the same atomic step when this hit is refused. */
  readonly breach: Breach | undefined
}

/** Where one bucket stands after the decision. */
export interface LimiterState {
  readonly limiter: Limiter
  readonly bucket: string
  readonly subject: string
  /** Places that this request took, which a refund gives back; 0: none. */
  readonly charged: number
  readonly remaining: number
  /** Epoch milliseconds at which the bucket is whole again (fixed window: its end). */
  readonly resetAt: number
  /** Epoch milliseconds from which another such request would pass; the instant of the decision when there is room. */
  readonly retryAt: number
}

/** A request's question to the store. */
export interface DecisionRequest {
  /**
   * Names the question, and with it the violation that it may book: one that is booked again under the same id, since
   * the first answer was lost, is booked once. Never what a client could choose (a request's id may be the client's).
   * The refusal of a hit or a slot is booked under this id, what a hit only observed under `observedId`.
   */
  readonly id: string
  readonly hits: readonly Hit[]
  /** Slots that the request takes in the same step, once every hit was admitted; empty where concurrency is asked later. */
  readonly slots: readonly SlotRequest[]
  /** Subject that is looked at first: while it is suspended, nothing is charged or booked. Absent: nobody is. */
  readonly watched?: string
  /** The process's clock. A store that several processes share may go by its own. */
  readonly now: number
}

/** Under which id the shadow of an observed hit is booked: a question has one refusal, but may observe several. */
export function observedId (id: string, hit: number): string {
  return `${id}/${hit}`
}

export interface Decision {
  /** The instant that the store decided by, epoch milliseconds: what instants in the states are to be measured from. */
  readonly at: number
  /** One state a hit, in order. Hits behind the first refusal are looked at, not charged. */
  readonly states: readonly LimiterState[]
  /** Index of the hit that refused; -1: admitted. Hits of limiters that only observe never refuse. */
  readonly refused: number
  /** What the refusal's breach did to the score. */
  readonly booking: Booking | undefined
  /** Hits that would have refused, had they not only observed, each with what its (shadow) breach did. */
  readonly observed: readonly ObservedRefusal[]
  /**
   * What became of the slots, in order, up to the first that was not granted; those granted before it are held all the
   * same. Empty when a hit refused.
   */
  readonly slots: readonly TakeResult[]
  /**
   * The store is away and this rule says `closed`: the request is refused with 503, nothing was charged or booked.
   * Undefined in every other case.
   */
  readonly unavailable: string | undefined
  /** The watched subject's suspension in force: nothing else was looked at, states and slots are empty. */
  readonly suspension?: Suspension
  /** What it charged was counted in process, as the shared store was away. */
  readonly inProcess?: true
  /** The request's question before this one: its states stand here too, before those of this one. */
  readonly earlier?: Decision
}

export interface ObservedRefusal {
  /** Index of the hit. */
  readonly hit: number
  readonly booking: Booking | undefined
}

/** A bucket that is charged, or refunded, outside a decision. Members as in `Hit`. */
export interface Charge {
  readonly limiter: Limiter
  readonly bucket: string
  readonly subject: string
  readonly cost: number
  readonly now: number
  /** Of a refund: when the places were taken, and what was left then. Absent: a moment ago. */
  readonly taken?: Taken
  /** They were counted in process, or in the shared store. Absent: wherever counts are kept just now. */
  readonly inProcess?: boolean
}

/** A charge that may be given back long after: in the window that it fell into, and no other. */
export interface Taken {
  /** Epoch milliseconds, by the store's clock. */
  readonly at: number
  /** Places left once it was taken. */
  readonly remaining: number
}

/**
 * Counters of a store. Each call is atomic. Buckets expire by themselves; an absent bucket is a full one.
 * Synchronous where the store is in process.
 */
export interface CounterStore {
  /** Charges the hits in order until one refuses; books that one's breach. Everything charged before a refusal stays charged. */
  decide (request: DecisionRequest): Decision | Promise<Decision>
  /** Charges one bucket whatever its fill, for limiters that count answers. */
  charge (charge: Charge): void | Promise<void>
  /** Gives places back; what a decision charged, by `settleState` alone. */
  refund (charge: Charge): void | Promise<void>
}
