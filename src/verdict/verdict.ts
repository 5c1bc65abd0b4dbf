/**
 * The outcome of a check, as a value. Deciding and doing are apart: `replies/` turns a verdict into
 * bytes, `violations/` books it. A check that has nothing against a request answers `undefined`.
 * This room is pure and imports nothing.
 */

/** What booking a violation did to its subject's score. Durations in milliseconds. */
export interface Booking {
  /** Points of this one violation. */
  readonly score: number
  /** Score of this type (or, with scope `total`, of all types) before and after. */
  readonly before: number
  readonly after: number
  /** Instant of the violation, epoch milliseconds. */
  readonly at: number
  /** True when the score crossed a multiple of the interval and a ban follows. */
  readonly crossed: boolean
  /** Set when a ban was placed. */
  readonly ban?: { readonly durationMs: number, readonly expiresAt: number | null }
}

interface Refusal {
  /** The rule that decided: a limiter's name, `ban`, `deny`, `non_browser`, … */
  readonly rule: string
  /** Status that plain HTTP clients get; a dialect may answer otherwise. */
  readonly status: number
  /** One sentence for the person. */
  readonly message: string
  /** Milliseconds until the refusal may lift by itself; absent: it does not, or nobody knows. */
  readonly retryAfterMs?: number
  /** Where the backend's dialect can keep silent it does: the person was told a moment ago, or need not be told. */
  readonly silent?: true
}

/** The words that the chat apps use for a ban, which their people and clients know. */
export const BANNED_MESSAGE = 'Your account has been temporarily banned due to violations of our service.'

/** Turned away everywhere: by a ban, or by the policy's own `deny`. */
export interface BanVerdict extends Refusal {
  readonly kind: 'ban'
  /** The subject that holds the ban: `user:42`, `ip:203.0.113.9`, `ip:10.0.0.0/8`. */
  readonly subject: string
  /** Violation type that led to the ban, `manual` for an operator's, `denied` for the policy's. */
  readonly reason: string
  /** Epoch milliseconds; null = for ever. */
  readonly expiresAt: number | null
  /** True when the banned subject is the user himself, not merely his address. */
  readonly ofUser: boolean
  /** The answer must tell no more than the message: whoever asks has not shown who he is. */
  readonly bare?: true
}

/** A limiter is exhausted. */
export interface LimitVerdict extends Refusal {
  readonly kind: 'limit'
  readonly limiter: string
  /** What the limiter counts by, or what the policy calls it: `ip`, `user`, `global`, `ip+user`, `submission`. */
  readonly key: string
  readonly max: number
  /** What `max` counts; absent: requests. */
  readonly unit?: 'tokens'
  readonly windowMs: number
  /** Violation type; absent when the limiter books none. */
  readonly type?: string
  /** What the reply calls the refusal, where that is not its violation. */
  readonly replyType?: string
  /** Instant from which the request would pass, epoch milliseconds: `retryAfterMs` after the decision. */
  readonly resetAt: number
  readonly booking?: Booking
}

/** Too many messages of one subject are in flight. */
export interface ConcurrencyVerdict extends Refusal {
  readonly kind: 'concurrency'
  readonly limit: number
  readonly pending: number
  readonly type?: string
  readonly booking?: Booking
}

/** The client is not a browser where only browsers may come. */
export interface NonBrowserVerdict extends Refusal {
  readonly kind: 'non-browser'
  readonly type: string
  readonly booking?: Booking
}

/** The user or group is not on the allowlist. */
export interface NotAllowedVerdict extends Refusal {
  readonly kind: 'not-allowed'
}

/** Something in the message itself: told to the person, who may say it otherwise. */
export interface ContentVerdict extends Refusal {
  readonly kind: 'content'
  /** Kind of the check: `length`, `keywords`, `nonAlphanumeric`, `pattern`; `doorman`. */
  readonly check: string
  /** Violation type; absent when the check books none. */
  readonly type?: string
  readonly booking?: Booking
}

/** The subject is silenced on chat routes: since now, by this message, or already. */
export interface SuspensionVerdict extends Refusal {
  readonly kind: 'suspension'
  readonly reason: 'content' | 'rate'
  readonly subject: string
  /** Epoch milliseconds. */
  readonly until: number
  /** True when this message brought it. */
  readonly isNew: boolean
}

/** The backend has it already: answered as delivered, and not forwarded again. Always silent. */
export interface DeliveredVerdict extends Refusal {
  readonly kind: 'delivered'
  readonly silent: true
}

/** The request itself is at fault, or we or the backend are: codes of the catalogue in `errors.ts`. */
export interface FaultVerdict extends Refusal {
  readonly kind: 'fault'
  readonly code: string
  readonly title: string
}

export type Verdict =
  | BanVerdict | LimitVerdict | ConcurrencyVerdict | NonBrowserVerdict | NotAllowedVerdict
  | ContentVerdict | SuspensionVerdict | DeliveredVerdict | FaultVerdict

/** A verdict whose violation has a price: limit, concurrency, non-browser and content refusals. */
export type ScoredVerdict = LimitVerdict | ConcurrencyVerdict | NonBrowserVerdict | ContentVerdict

export function isScored (verdict: Verdict): verdict is ScoredVerdict {
  return verdict.kind === 'limit' || verdict.kind === 'concurrency' || verdict.kind === 'non-browser' ||
    verdict.kind === 'content'
}

/** Whole seconds for `Retry-After`: rounded up, so that whoever waits that long is not early; at least 1. */
export function retryAfterSeconds (retryAfterMs: number): number {
  return Math.max(1, Math.ceil(retryAfterMs / 1000))
}
