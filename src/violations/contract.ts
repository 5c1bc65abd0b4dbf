import type { Exchange } from '../exchange.js'
import type { Booking } from '../verdict/verdict.js'

/** One violation that is about to be booked. */
export interface Breach {
  /** `message_limit`, `logins`, `non_browser`, … */
  readonly type: string
  /** `user:…` or `ip:…`. */
  readonly subject: string
  /** Points; 0 is booked and logged but moves nothing. */
  readonly score: number
  /** A ban follows each time the score crosses a multiple of this. */
  readonly interval: number
  /** `type`: each type has a score of its own; `total`: the sum over the types counts. */
  readonly scope: 'type' | 'total'
  /** How long a score lives after the last violation of its type; null = for ever. */
  readonly ttlMs: number | null
  /** Observe mode: counted apart, so that nothing of it is left when enforcing begins. */
  readonly shadow: boolean
}

/** Kept about one type of one subject. Instants in epoch milliseconds. */
export interface ScoreRecord {
  readonly type: string
  readonly subject: string
  /** Violations ever booked (within retention). */
  readonly total: number
  readonly score: number
  readonly updatedAt: number
  /** null = never. */
  readonly scoreExpiresAt: number | null
}

export interface BookRequest {
  /**
   * Names the violation: booked again under the same id (the first answer was lost), it is booked once and answered as
   * the first time, so that no ban is lost. Remembered for minutes, within bounds.
   */
  readonly id: string
  readonly breach: Breach
  /** When it happened, by the process's clock. A store that several processes share may go by its own. */
  readonly now: number
  /** It may have been booked under this id before; a store that has the answer of then gives it again. */
  readonly again?: true
  /** How long ago it happened, for a store that goes by its own clock and is told late; absent: now. */
  readonly ageMs?: number
}

/**
 * Scores of a store. Each call is atomic. A score that has run out reads as 0 and its record keeps `total`.
 * Shadow scores are never listed.
 */
export interface ScoreStore {
  book (request: BookRequest): Booking | Promise<Booking>
  /** All records, or one subject's; a look, it changes nothing. */
  list (subject?: string): readonly ScoreRecord[] | Promise<readonly ScoreRecord[]>
  /** Those of the subjects that have no violation after `since`, in order; a look at all of them at once. */
  cleanSince (subjects: readonly string[], since: number): readonly string[] | Promise<readonly string[]>
  /** Sets a subject's scores (of one type) to 0; `total` stays. */
  reset (subject: string, type?: string): void | Promise<void>
}

/** A line of `logs.json` (CONTRACT §6), and what the event stream tells. */
export interface ViolationRecord {
  readonly v: 1
  /** ISO 8601. */
  readonly date: string
  readonly type: string
  readonly user?: string
  readonly ip: string
  /** What the limiter counts by (`ip`, `user`), as the refusal itself says it. */
  readonly limiter?: string
  /** Name of the limiter or other rule that was broken. */
  readonly rule: string
  readonly max?: number
  readonly windowInMinutes?: number
  readonly score: number
  readonly prev_count: number
  readonly violation_count: number
  readonly ban?: true
  /** Milliseconds. */
  readonly ban_duration?: number
  readonly route: string
  readonly method: string
  readonly requestId: string
  readonly mode: 'enforce' | 'observe'
}

/** Places the ban that a crossed score asks for. The bans room fits. */
export interface BanPlacer {
  /** Resolves when the ban would survive `kill -9`; undefined when nobody was banned (the address was spared). */
  banFor (exchange: Exchange, breach: Breach, booking: Booking): Promise<Booking['ban']>
}

/** Where violations are written down. Never throws, never waits. */
export interface Journal {
  append (record: ViolationRecord): void
}

/** The rule that was broken, as the journal tells it. A `LimitVerdict` fits. */
export interface BrokenRule {
  /** Its name. */
  readonly rule: string
  /** What it counts by. */
  readonly key?: string
  readonly max?: number
  readonly windowMs?: number
}

/** A broken rule with its price, for checks that do not book in the store's own step. */
export interface PricedRule extends BrokenRule {
  readonly type: string
  readonly score: number
  /** Observe mode of the rule itself; a route's own is known from the plan. */
  readonly observe?: boolean
  /** The `Sec-Fetch-Site: cross-site` amnesty is for what browsers send: a client that is none does not get it. */
  readonly withoutAmnesty?: boolean
}
