import type { LimitVerdict } from '../verdict/verdict.js'
import type { Decision, Limiter, LimiterState } from './contract.js'

const MS_PER_MINUTE = 60_000
/** Sentences for limiters of tokens; the first where there are no words of the policy's own. */
const USED_UP = 'The budget of {max} tokens is used up for now. Please try again in {minutes} minutes.'
const TOO_LITTLE_LEFT = 'This request may need {cost} tokens, and {left} of the budget of {max} are left for now. Please ask for a shorter answer, say less, or try again later.'
const NEVER_FITS = 'This request may need {cost} tokens, more than the budget of {max} tokens ever holds. Please ask for a shorter answer, or say less.'

/**
 * The refusal of one of a decision's limiters, with its text filled in; without what was booked.
 *
 * @param cost places that the request asked of it
 */
export function limitVerdict ({ states, at }: Decision, index: number, cost: number): LimitVerdict {
  const { limiter, retryAt, remaining } = states[index] as LimiterState
  const resetAt = Math.max(at, passableAt(states, retryAt))
  const retryAfterMs = resetAt - at
  const isTooDear = limiter.tokens !== undefined && cost > mostOf(limiter)
  const isShort = limiter.tokens !== undefined && limiter.algorithm !== 'gcra' && remaining > 0
  return {
    kind: 'limit',
    rule: limiter.name,
    status: limiter.status,
    message: isTooDear ? tooDearText(limiter, cost) : textOf(limiter, { retryAfterMs, cost, remaining }),
    // Waiting does not help it, or nobody knows how long: a shorter answer fits now, and open ones give back what they
    // do not take.
    ...isTooDear || isShort ? {} : { retryAfterMs },
    limiter: limiter.name,
    key: limiter.shownAs ?? limiter.key.join('+'),
    max: limiter.max,
    windowMs: limiter.windowMs,
    ...(limiter.tokens === undefined ? {} : { unit: 'tokens' as const }),
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

/** Places of a whole bucket. */
function mostOf ({ algorithm, burst, max }: Limiter): number {
  return algorithm === 'gcra' ? burst : max
}

function tooDearText (limiter: Limiter, cost: number): string {
  return NEVER_FITS.replace('{cost}', String(cost)).replace('{max}', String(mostOf(limiter)))
}

interface Short {
  readonly retryAfterMs: number
  readonly cost: number
  readonly remaining: number
}

/** Empty: the dialect has a sentence of its own. */
function textOf (limiter: Limiter, { retryAfterMs, cost, remaining }: Short): string {
  const own = limiter.tokens === undefined ? '' : remaining > 0 ? TOO_LITTLE_LEFT : USED_UP
  const filled = own.replace('{cost}', String(cost)).replace('{left}', String(remaining))
  return inWords(limiter.message ?? filled, limiter, retryAfterMs)
}

/** A text with all numbers of a refusal filled in: those of `withNumbers`, and `{minutes}`. */
export function inWords (text: string, limiter: Limiter, retryAfterMs: number): string {
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
