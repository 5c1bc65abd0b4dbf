/** What is charged, or given back, outside a decision. */
import { runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import { skipsLimits, type AnswerObserver, type Exchange, type ObserveAnswer } from '../exchange.js'
import { bucketOf } from './buckets.js'
import type { CounterStore, Limiter } from './contract.js'
import type { Forgiveness } from './forgiveness.js'
import { settleState } from './settle.js'

/** Every request takes one place. */
export const COST = 1

/**
 * Whether a limiter counts messages that were refused, as they were sent all the same (reference
 * cheshire-cat-plugin.md, "Order of work" 4).
 */
export function countsRefused ({ after }: Limiter): boolean {
  return after === 'content'
}

export interface CountedAnswersOptions {
  readonly limiters: readonly Limiter[]
  /** As for the check of the same plan. */
  readonly forgiveness?: Forgiveness | undefined
  readonly store: CounterStore
  readonly clock: Clock
  onStoreError (error: Error): void
}

/** Charges the limiters that count answers, when the backend's status is one of theirs; the next request is refused. */
export function observeCountedAnswers (
  { limiters, forgiveness, store, clock, onStoreError }: CountedAnswersOptions
): ObserveAnswer {
  const counting = limiters.filter((limiter) => limiter.countStatus.length > 0)
  return (exchange): AnswerObserver | undefined => {
    if (counting.length === 0 || skipsLimits(exchange) || forgiveness?.hasForgiven(exchange) === true) return undefined
    return {
      onHead (status) {
        for (const limiter of counting) {
          const found = limiter.countStatus.includes(status) ? bucketOf(limiter, exchange) : undefined
          if (found === undefined) continue
          runAside(() => store.charge({ limiter, ...found, cost: COST, now: clock() }), onStoreError)
        }
        return { body: false }
      },
      onEnd () {},
    }
  }
}

/** Gives back all that the request was charged, but tokens: those are settled by whoever reads the answer. */
export function createRefund (
  { onStoreError, ...options }: Omit<CountedAnswersOptions, 'limiters' | 'forgiveness'>
): (exchange: Exchange) => void {
  return ({ decision }) => {
    decision?.states.forEach(({ limiter }, index) => {
      if (limiter.tokens !== undefined) return
      runAside(() => settleState(decision, index, { ...options, to: 0 }), onStoreError)
    })
  }
}

/**
 * Counts a message that was refused before its limiters were asked, for those that count what was sent, not what passed
 * (reference cheshire-cat-plugin.md, "Order of work" 4). Nobody waits for it.
 */
export function createMessageCharge (
  { limiters, store, clock, onStoreError }: Omit<CountedAnswersOptions, 'forgiveness'>
): (exchange: Exchange) => void {
  const charged = limiters.filter((limiter) => countsRefused(limiter) && limiter.countStatus.length === 0)
  return (exchange) => {
    if (skipsLimits(exchange)) return
    for (const limiter of charged) {
      const found = bucketOf(limiter, exchange)
      if (found === undefined) continue
      runAside(() => store.charge({ limiter, ...found, cost: COST, now: clock() }), onStoreError)
    }
  }
}
