/**
 * Where a client stands, in headers: `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11 with
 * every limiter of the route, and the older `X-RateLimit-*` with the one nearest to refusal. `Retry-After` belongs to
 * refusals of every kind and comes from the verdict.
 */
import { serializeItem, type BareItem } from 'structured-headers'
import type { Decision, Limiter, LimiterState } from './contract.js'

type Header = readonly [name: string, value: string]

const MS_PER_SECOND = 1000
const NO_HEADERS: readonly Header[] = []
/** What `q` counts, where that is not requests. */
const QUOTA_UNIT: [string, BareItem] = ['qu', 'tokens']
/** What a Structured Fields string cannot hold. */
const NOT_ASCII = /[^\x20-\x7e]/g

interface LimiterText { readonly name: string, readonly policy: string }
const texts = new WeakMap<Limiter, LimiterText>()

/**
 * For any answer to a request whose limiters stand like this; names in lower case. No decision: no limiter was asked.
 * Limiters in observe mode are not announced: they change nothing for the client.
 */
export function rateHeaders (decision: Decision | undefined): readonly Header[] {
  if (decision === undefined) return NO_HEADERS
  let policy = ''
  let standing = ''
  let nearest: LimiterState | undefined
  for (const state of decision.states) {
    if (state.limiter.observe) continue
    const text = textOf(state.limiter)
    const separator = nearest === undefined ? '' : ', '
    policy += separator + text.policy
    standing += `${separator}${text.name};r=${state.remaining};t=${secondsUntil(state.resetAt, decision.at)}`
    if (nearest === undefined || isNearer(state, nearest)) nearest = state
  }
  if (nearest === undefined) return NO_HEADERS
  return [
    ['ratelimit-policy', policy],
    ['ratelimit', standing],
    ['x-ratelimit-limit', String(nearest.limiter.max)],
    ['x-ratelimit-remaining', String(nearest.remaining)],
    ['x-ratelimit-reset', String(Math.ceil(nearest.resetAt / MS_PER_SECOND))],
  ]
}

/** Fewer places left, as a share where one counts tokens and the other requests; of two that have none, the one that keeps the client waiting longer. */
function isNearer (state: LimiterState, than: LimiterState): boolean {
  const isAlike = (state.limiter.tokens === undefined) === (than.limiter.tokens === undefined)
  const [left, leftThan] = isAlike ? [state.remaining, than.remaining] : [shareOf(state), shareOf(than)]
  if (left !== leftThan) return left < leftThan
  return state.retryAt > than.retryAt
}

function shareOf ({ remaining, limiter: { max } }: LimiterState): number {
  return max > 0 ? remaining / max : 0
}

/** Rounded up: whoever waits that long is not early. */
function secondsUntil (at: number, now: number): number {
  return Math.max(0, Math.ceil((at - now) / MS_PER_SECOND))
}

/** The part that never changes, serialised once a limiter. */
function textOf (limiter: Limiter): LimiterText {
  let text = texts.get(limiter)
  if (text === undefined) {
    const name = limiter.name.replace(NOT_ASCII, '?')
    const parameters = new Map<string, BareItem>([
      ['q', limiter.max],
      ...limiter.tokens === undefined ? [] : [QUOTA_UNIT],
      ['w', Math.ceil(limiter.windowMs / MS_PER_SECOND)],
    ])
    text = { name: serializeItem([name, new Map()]), policy: serializeItem([name, parameters]) }
    texts.set(limiter, text)
  }
  return text
}
