/**
 * Limiters: how often a request may come. One question to the store takes all the counters of a request, in the
 * route's order, and books the violation of the one that refuses. Where nothing stands between, it takes the request's
 * slots for messages in flight too.
 */
import { chain, rescue, runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import type { SlotDesk, SlotRequest } from '../concurrency/contract.js'
import { skipsLimits, type AnswerObserver, type Check, type Exchange, type ObserveAnswer } from '../exchange.js'
import { storeUnavailable } from '../store-failure.js'
import { breachOf, type Violations } from '../violations/violations.js'
import { bucketOf } from './buckets.js'
import type { CounterStore, Decision, DecisionRequest, Hit, Limiter } from './contract.js'
import type { Forgiveness } from './forgiveness.js'
import { limitVerdict } from './limit-verdict.js'

/** Every request takes one place. */
const COST = 1
const NO_SLOTS: readonly SlotRequest[] = []

export interface LimitsCheckOptions {
  /** The plan's limiters, in order. */
  readonly limiters: readonly Limiter[]
  readonly store: CounterStore
  readonly violations: Pick<Violations, 'settle' | 'noteShadow'>
  /** Asks for the request's slots in the same step; undefined: they are asked for elsewhere, or not at all. */
  readonly slots?: SlotDesk | undefined
  /** Which repetitions are not counted; undefined: all requests are. */
  readonly forgiveness?: Forgiveness | undefined
  readonly clock: Clock
  /** An id for a decision, unique over all instances. */
  newId (): string
  /** Told what the store failed to do. */
  onStoreError (error: Error): void
}

/**
 * Refuses a request when one of its limiters has no room; writes `exchange.decision`. Where the store fails, the request
 * is refused with 503, unless all of its rules only observe. Never rejects.
 */
export function createLimitsCheck (options: LimitsCheckOptions): Check {
  const { limiters, slots: desk, forgiveness, store, clock, newId, onStoreError } = options
  return (exchange) => {
    if (skipsLimits(exchange)) return undefined
    const isForgiven = forgiveness?.forgives(exchange) === true
    const hits = hitsOf(limiters, exchange, isForgiven)
    const slots = desk === undefined ? NO_SLOTS : desk.request(exchange)
    if (hits.length === 0 && slots.length === 0) return undefined
    const asked = { id: newId(), hits, slots, now: clock() }
    return chain(rescue(() => store.decide(asked), onStoreError), (decision) => decision === undefined
      ? withoutStore(exchange, asked, desk)
      : conclude(exchange, { hits, decision }, options))
  }
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

/** Gives back all that the request was charged, for a message that turned out to be a repetition. */
export function createRefund ({ store, clock, onStoreError }: Omit<CountedAnswersOptions, 'limiters' | 'forgiveness'>): (exchange: Exchange) => void {
  return (exchange) => {
    for (const { limiter, bucket, subject, charged: cost } of exchange.decision?.states ?? []) {
      if (cost === 0) continue
      runAside(() => store.refund({ limiter, bucket, subject, cost, now: clock() }), onStoreError)
    }
  }
}

/** `isForgiven`: the limiters are only asked whether there is room, so that a full one refuses what it would not count. */
function hitsOf (limiters: readonly Limiter[], exchange: Exchange, isForgiven: boolean): Hit[] {
  const hits: Hit[] = []
  for (const limiter of limiters) {
    const found = bucketOf(limiter, exchange)
    if (found === undefined) continue
    const { violation: type, score, observe } = limiter
    const breach = type === undefined ? undefined : breachOf(exchange, { type, score, observe })
    hits.push({ limiter, ...found, cost: COST, peek: isForgiven || limiter.countStatus.length > 0, breach })
  }
  return hits
}

/** Nobody knows whether there was room: only where nothing would be enforced does the request go on. */
function withoutStore (
  exchange: Exchange, { hits, slots }: DecisionRequest, desk: SlotDesk | undefined
): ReturnType<Check> {
  desk?.abandon(exchange)
  const rule = hits.find(({ limiter }) => !limiter.observe)?.limiter.name ??
    slots.find(({ observe }) => !observe)?.lease.rule
  return rule === undefined ? undefined : storeUnavailable(rule)
}

interface Decided {
  readonly hits: readonly Hit[]
  readonly decision: Decision
}

type Followers = Pick<LimitsCheckOptions, 'violations' | 'slots' | 'forgiveness'>

function conclude (exchange: Exchange, decided: Decided, followers: Followers): ReturnType<Check> {
  const { decision, hits } = decided
  const { violations, slots, forgiveness } = followers
  if (hits.length > 0) exchange.decision = decision
  if (decision.unavailable !== undefined) return storeUnavailable(decision.unavailable)
  for (const { hit: index, booking } of decision.observed) {
    noteObserved(exchange, decided, { index, booking, violations })
  }
  if (decision.refused < 0) {
    if (hits.length > 0 && decision.observed.length === 0) forgiveness?.noteCounted(exchange)
    return slots?.conclude(exchange, decision.slots)
  }
  const verdict = limitVerdict(decision, decision.refused)
  const breach = hits[decision.refused]?.breach
  if (breach === undefined || decision.booking === undefined) return verdict
  return chain(violations.settle(exchange, verdict, { breach, booking: decision.booking }),
    (booking) => ({ ...verdict, booking }))
}

interface Observed {
  readonly index: number
  readonly booking: Decision['booking']
  readonly violations: Followers['violations']
}

/** A refusal of a limiter in observe mode: written down, not enforced. */
function noteObserved (
  exchange: Exchange, { decision, hits }: Decided, { index, booking, violations }: Observed
): void {
  const verdict = limitVerdict(decision, index)
  const breach = hits[index]?.breach
  exchange.observed.push(breach === undefined || booking === undefined
    ? verdict
    : { ...verdict, booking: violations.noteShadow(exchange, verdict, { breach, booking }) })
}
