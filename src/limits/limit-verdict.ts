import type { LimitVerdict } from '../verdict/verdict.js'
import type { Decision, Limiter, LimiterState } from './contract.js'

const MS_PER_MINUTE = 60_000

/** The refusal of one of a decision's limiters, with its text filled in; without what was booked. */
export function limitVerdict ({ states, at }: Decision, index: number): LimitVerdict {
  const { limiter, retryAt } = states[index] as LimiterState
  const resetAt = Math.max(at, passableAt(states, retryAt))
  const retryAfterMs = resetAt - at
  return {
    kind: 'limit',
    rule: limiter.name,
    status: limiter.status,
    message: limiter.message === undefined ? '' : fillIn(limiter.message, limiter, retryAfterMs),
    retryAfterMs,
    limiter: limiter.name,
    key: limiter.shownAs ?? limiter.key.join('+'),
    max: limiter.max,
    windowMs: limiter.windowMs,
    ...(limiter.violation === undefined ? {} : { type: limiter.violation }),
    ...(limiter.type === undefined ? {} : { replyType: limiter.type }),
    resetAt,
  }
}

/**
 * When every limiter of the request has room again: whoever waits as long as the one that refused says must not be
 * refused by another. Those before it may have given this request their last place.
 */
function passableAt (states: readonly LimiterState[], own: number): number {
  let latest = own
  for (const { limiter, retryAt } of states) {
    if (!limiter.observe && retryAt > latest) latest = retryAt
  }
  return latest
}

function fillIn (text: string, limiter: Limiter, retryAfterMs: number): string {
  return withNumbers(text, limiter)
    .replaceAll('{minutes}', String(Math.max(1, Math.ceil(retryAfterMs / MS_PER_MINUTE))))
}

/** A text with what never changes of a limiter filled in: `{windowMinutes}` and `{max}`. */
export function withNumbers (text: string, { max, windowMs }: Pick<Limiter, 'max' | 'windowMs'>): string {
  return text.replaceAll('{windowMinutes}', String(inMinutes(windowMs))).replaceAll('{max}', String(max))
}

/** At most two decimals: a window of a second is 0.02 minutes. */
function inMinutes (ms: number): number {
  return Math.round(ms / MS_PER_MINUTE * 100) / 100
}
