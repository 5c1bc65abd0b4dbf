/**
 * Limiters: how often a request may come. One question to the store takes all the counters of a request, in the
 * route's order, and books the violation of the one that refuses.
 */
import type { Clock } from '../clock.js'
import { skipsLimits, type AnswerObserver, type Check, type Exchange, type ObserveAnswer } from '../exchange.js'
import type { Log } from '../log.js'
import { breachOf, type Violations } from '../violations/violations.js'
import { bucketOf } from './buckets.js'
import type { CounterStore, Decision, Hit, Limiter } from './contract.js'
import { limitVerdict } from './limit-verdict.js'

/** Every request takes one place. */
const COST = 1

export interface LimitsCheckOptions {
  /** The plan's limiters, in order. */
  readonly limiters: readonly Limiter[]
  readonly store: CounterStore
  readonly violations: Pick<Violations, 'settle' | 'noteShadow'>
  readonly clock: Clock
  /** An id for a decision, unique over all instances. */
  newId (): string
}

/** Refuses a request when one of its limiters has no room; writes `exchange.decision`. */
export function createLimitsCheck ({ limiters, store, violations, clock, newId }: LimitsCheckOptions): Check {
  return (exchange) => {
    if (skipsLimits(exchange)) return undefined
    const hits = hitsOf(limiters, exchange)
    if (hits.length === 0) return undefined
    const decision = store.decide({ id: newId(), hits, now: clock() })
    return decision instanceof Promise
      ? decision.then((decision) => conclude(exchange, { hits, decision, violations }))
      : conclude(exchange, { hits, decision, violations })
  }
}

export interface CountedAnswersOptions {
  readonly limiters: readonly Limiter[]
  readonly store: CounterStore
  readonly clock: Clock
  readonly log: Log
}

/** Charges the limiters that count answers, when the backend's status is one of theirs; the next request is refused. */
export function observeCountedAnswers ({ limiters, store, clock, log }: CountedAnswersOptions): ObserveAnswer {
  const counting = limiters.filter((limiter) => limiter.countStatus.length > 0)
  return (exchange): AnswerObserver | undefined => {
    if (counting.length === 0 || skipsLimits(exchange)) return undefined
    return {
      onHead (status) {
        for (const limiter of counting) {
          const found = limiter.countStatus.includes(status) ? bucketOf(limiter, exchange) : undefined
          if (found !== undefined) settled(store.charge({ limiter, ...found, cost: COST, now: clock() }), log)
        }
        return { body: false }
      },
      onEnd () {},
    }
  }
}

/** Gives back all that the request was charged, for a message that turned out to be a repetition. */
export function createRefund ({ store, clock, log }: Omit<CountedAnswersOptions, 'limiters'>): (exchange: Exchange) => void {
  return (exchange) => {
    for (const { limiter, bucket, subject, charged: cost } of exchange.decision?.states ?? []) {
      if (cost > 0) settled(store.refund({ limiter, bucket, subject, cost, now: clock() }), log)
    }
  }
}

function hitsOf (limiters: readonly Limiter[], exchange: Exchange): Hit[] {
  const hits: Hit[] = []
  for (const limiter of limiters) {
    const found = bucketOf(limiter, exchange)
    if (found === undefined) continue
    const { violation: type, score, observe } = limiter
    const breach = type === undefined ? undefined : breachOf(exchange, { type, score, observe })
    hits.push({ limiter, ...found, cost: COST, peek: limiter.countStatus.length > 0, breach })
  }
  return hits
}

interface Asked {
  readonly hits: readonly Hit[]
  readonly decision: Decision
  readonly violations: Pick<Violations, 'settle' | 'noteShadow'>
}

function conclude (exchange: Exchange, asked: Asked): ReturnType<Check> {
  const { decision, hits, violations } = asked
  exchange.decision = decision
  for (const { hit: index, booking } of decision.observed) noteObserved(exchange, asked, { index, booking })
  if (decision.refused < 0) return undefined
  const verdict = limitVerdict(decision, decision.refused)
  const breach = hits[decision.refused]?.breach
  if (breach === undefined || decision.booking === undefined) return verdict
  const booking = violations.settle(exchange, verdict, { breach, booking: decision.booking })
  return booking instanceof Promise
    ? booking.then((booking) => ({ ...verdict, booking }))
    : { ...verdict, booking }
}

/** A refusal of a limiter in observe mode: written down, not enforced. */
function noteObserved (
  exchange: Exchange, { decision, hits, violations }: Asked,
  { index, booking }: { index: number, booking: Decision['booking'] }
): void {
  const verdict = limitVerdict(decision, index)
  const breach = hits[index]?.breach
  exchange.observed.push(breach === undefined || booking === undefined
    ? verdict
    : { ...verdict, booking: violations.noteShadow(exchange, verdict, { breach, booking }) })
}

/** Nobody waits for these: a store that fails is told to the operator. */
function settled (pending: void | Promise<void>, log: Log): void {
  if (pending instanceof Promise) {
    pending.catch((error: unknown) => log.warn({ err: error }, 'A limiter could not be charged or refunded'))
  }
}
