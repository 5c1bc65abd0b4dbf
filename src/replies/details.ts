import {
  retryAfterSeconds, type BanVerdict, type Booking, type ConcurrencyVerdict, type ContentVerdict, type LimitVerdict,
  type SuspensionVerdict, type Verdict
} from '../verdict/verdict.js'
import type { ReplyContext } from './contract.js'

/** Sentence for a limiter that has no text of its own. */
const LIMIT_MESSAGE = 'You have sent too many requests. Please try again in {retryAfterSeconds} seconds.'

/** Ends LibreChat's session in the browser: without it the page would go on asking for fresh tokens. */
export const EXPIRED_REFRESH_COOKIE =
  'refreshToken=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Strict'

/** Members that LibreChat's own client reads, by kind of verdict; the JSON and the SSE dialect share them. */
export function librechatDetails (verdict: Verdict, context: ReplyContext): Record<string, unknown> {
  switch (verdict.kind) {
    case 'limit': return limitDetails(verdict, context)
    case 'concurrency': return concurrencyDetails(verdict, context)
    case 'ban': return banDetails(verdict)
    case 'non-browser': return { type: verdict.type, ...bookingDetails(verdict.booking, context) }
    case 'not-allowed': return { type: 'not_allowed' }
    case 'content': return contentDetails(verdict, context)
    case 'suspension': return suspensionDetails(verdict)
    case 'delivered': return { type: 'delivered' }
    case 'fault': return { type: verdict.code.toLowerCase(), ...retryDetails(verdict) }
  }
}

/**
 * What makes LibreChat's own client show the sentence and nothing else. It knows none of these types, and would print
 * the whole JSON; of a `google_error`, which outranks the type, it prints `info` as it stands (its `Error.tsx`).
 */
export function shownInfo (verdict: Verdict): Record<string, unknown> {
  if (verdict.kind !== 'content' && verdict.kind !== 'suspension') return {}
  return { code: 'google_error', info: messageOf(verdict) }
}

/** The sentence for the person, with its numbers filled in. */
export function messageOf (verdict: Verdict): string {
  if (verdict.kind !== 'limit' || verdict.message !== '') return verdict.message
  return LIMIT_MESSAGE.replace('{retryAfterSeconds}', String(retryAfterSeconds(verdict.retryAfterMs ?? 0)))
}

function limitDetails (verdict: LimitVerdict, context: ReplyContext) {
  return {
    type: verdict.replyType ?? verdict.type ?? verdict.limiter,
    max: verdict.max,
    limiter: verdict.key,
    windowInMinutes: verdict.windowMs / 60_000,
    ...bookingDetails(verdict.booking, context),
    ...retryDetails(verdict),
    resetAt: verdict.resetAt,
  }
}

function concurrencyDetails (verdict: ConcurrencyVerdict, context: ReplyContext) {
  return {
    type: verdict.type ?? 'concurrent',
    limit: verdict.limit,
    pendingRequests: verdict.pending,
    ...bookingDetails(verdict.booking, context),
  }
}

function banDetails (verdict: BanVerdict) {
  if (verdict.bare === true) return { type: 'ban' }
  return {
    type: 'ban',
    reason: verdict.reason,
    expiresAt: verdict.expiresAt === null ? null : new Date(verdict.expiresAt).toISOString(),
    ...retryDetails(verdict),
  }
}

function contentDetails (verdict: ContentVerdict, context: ReplyContext) {
  return {
    type: 'content',
    check: verdict.check,
    ...(verdict.type === undefined ? {} : { violation: verdict.type, ...bookingDetails(verdict.booking, context) }),
  }
}

function suspensionDetails (verdict: SuspensionVerdict) {
  return {
    type: 'suspension',
    reason: verdict.reason,
    expiresAt: new Date(verdict.until).toISOString(),
    ...retryDetails(verdict),
  }
}

/** A refusal that booked nothing shows zeroes: its readers expect the members. */
function bookingDetails (booking: Booking | undefined, { now }: ReplyContext) {
  return {
    score: booking?.score ?? 0,
    prev_count: booking?.before ?? 0,
    violation_count: booking?.after ?? 0,
    date: new Date(booking?.at ?? now).toISOString(),
    ...(booking?.ban === undefined ? {} : { ban: true, ban_duration: booking.ban.durationMs }),
  }
}

function retryDetails (verdict: Verdict) {
  return verdict.retryAfterMs === undefined ? {} : { retryAfterSeconds: retryAfterSeconds(verdict.retryAfterMs) }
}
