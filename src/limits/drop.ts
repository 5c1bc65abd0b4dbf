/** Refusals that nobody hears of, but for one in so long (reference telegram-bot.md, "Global rate limiter"). */
import { chain } from '../chain.js'
import type { LimitVerdict, Verdict } from '../verdict/verdict.js'
import type { Hit, Limiter } from './contract.js'
import { inWords } from './limit-verdict.js'
import { createWarnings, warningLimiter, type WarningsOptions } from './warnings.js'

/** The refusal as it is told: as it is, in the words of a warning, or silently. */
export type Quieten = (verdict: LimitVerdict, hit: Hit) => Verdict | Promise<Verdict>

/** @param limiters those whose refusals are told */
export function createDrop (limiters: readonly Limiter[], options: WarningsOptions): Quieten {
  const warnings = createWarnings(options)
  const limiterOf = new Map(limiters.flatMap((limiter) => limiter.drop === undefined || limiter.drop.warnEveryMs === 0
    ? []
    : [[limiter, warningLimiter(limiter.name, limiter.drop.warnEveryMs)]]))
  return (verdict, hit) => {
    const { limiter } = hit
    if (limiter.drop === undefined) return verdict
    const { message = verdict.message } = limiter.drop
    const asked = limiterOf.get(limiter)
    return chain(asked !== undefined && warnings.due(asked, hit), (isDue): Verdict => isDue
      ? { ...verdict, message: inWords(message, limiter, verdict.retryAfterMs ?? 0) }
      : { ...verdict, silent: true })
  }
}
