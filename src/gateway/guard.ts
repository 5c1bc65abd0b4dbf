import type { Check, Exchange } from '../exchange.js'
import type { Verdict } from '../verdict/verdict.js'

/**
 * Runs checks in order until one has something against the request. Synchronous as long as the checks are:
 * a request that no check needs to wait for never leaves the tick it came in.
 */
export function runChecks (
  checks: readonly Check[], exchange: Exchange, from = 0
): Verdict | undefined | Promise<Verdict | undefined> {
  for (let i = from; i < checks.length; i++) {
    const answer = (checks[i] as Check)(exchange)
    if (answer === undefined) continue
    if (answer instanceof Promise) return answer.then((verdict) => verdict ?? runChecks(checks, exchange, i + 1))
    return answer
  }
  return undefined
}

/** The same check in observe mode: what it would have refused is noted, and the request goes on. */
export function observing (check: Check): Check {
  return (exchange) => {
    const answer = check(exchange)
    if (answer === undefined) return undefined
    if (answer instanceof Promise) return answer.then((verdict) => note(exchange, verdict))
    return note(exchange, answer)
  }
}

function note (exchange: Exchange, verdict: Verdict | undefined): undefined {
  if (verdict !== undefined) exchange.observed.push(verdict)
}
