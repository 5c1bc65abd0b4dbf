/**
 * Limiters: how often a request may come. One question to the store takes all the counters of a request, in the
 * route's order, and books the violation of the one that refuses. Where nothing stands between, it takes the request's
 * slots for messages in flight too.
 */
import { chain, rescue, runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import type { SlotDesk, SlotRequest } from '../concurrency/contract.js'
import { skipsLimits, type Check, type Exchange } from '../exchange.js'
import { storeUnavailable } from '../store-failure.js'
import type { Silence } from '../suspensions/check.js'
import type { ResetRule } from '../suspensions/contract.js'
import type { LimitVerdict, Verdict } from '../verdict/verdict.js'
import { breachOf, type Violations } from '../violations/violations.js'
import { bucketOf } from './buckets.js'
import type { CounterStore, Decision, DecisionRequest, Hit, Limiter } from './contract.js'
import type { Forgiveness } from './forgiveness.js'
import { limitVerdict } from './limit-verdict.js'
import { COST, countsRefused } from './charges.js'
import { createDrop, type Quieten } from './drop.js'

export { createMessageCharge, createRefund, observeCountedAnswers } from './charges.js'
export { placeLimiter } from './place-limiter.js'
export { settleState } from './settle.js'
export { createWarnings, warningLimiter } from './warnings.js'
export { withNumbers } from './limit-verdict.js'

const NO_SLOTS: readonly SlotRequest[] = []

export interface LimitsCheckOptions {
  /** The plan's limiters, in order. */
  readonly limiters: readonly Limiter[]
  readonly store: CounterStore
  readonly violations: Pick<Violations, 'settle' | 'noteShadow'>
  /** Asks for the request's slots in the same step; undefined: they are asked for elsewhere, or not at all. */
  readonly slots?: SlotDesk | undefined
  /** On chat routes: who is suspended already, and what `onExceed: { suspend }` does. */
  readonly silence?: Silence | undefined
  /** Of the route's content rules. */
  readonly reset?: ResetRule | undefined
  /** What a request costs limiters of tokens; undefined: none of them counts tokens. */
  readonly reserve?: ((exchange: Exchange) => { readonly tokens: number }) | undefined
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
  const { limiters, slots: desk, silence, forgiveness, store, clock, newId, onStoreError } = options
  const parts: LimitsParts = { ...options, quieten: createDrop(limiters, options) }
  return (exchange) => {
    if (skipsLimits(exchange)) return undefined
    const isForgiven = forgiveness?.forgives(exchange) === true
    const hits = hitsOf(exchange, options, isForgiven)
    const slots = desk === undefined ? NO_SLOTS : desk.request(exchange)
    if (hits.length === 0 && slots.length === 0) return silence?.check(exchange)
    const watched = silence?.subjectOf(exchange)
    const question = { id: newId(), hits, slots, now: clock() }
    const asked = watched === undefined ? question : { ...question, watched }
    return chain(rescue(() => store.decide(asked), onStoreError), (decision) => decision === undefined
      ? withoutStore(exchange, asked, desk)
      : conclude(exchange, { hits, decision }, parts))
  }
}

interface LimitsParts extends LimitsCheckOptions { readonly quieten: Quieten }

/** `isForgiven`: the limiters are only asked whether there is room, so that a full one refuses what it would not count. */
function hitsOf (exchange: Exchange, { limiters, reserve }: LimitsCheckOptions, isForgiven: boolean): Hit[] {
  const hits: Hit[] = []
  for (const limiter of limiters) {
    const found = bucketOf(limiter, exchange)
    if (found === undefined) continue
    const { violation: type, score, observe } = limiter
    const breach = type === undefined ? undefined : breachOf(exchange, { type, score, observe })
    const cost = limiter.tokens === undefined ? COST : reserve?.(exchange).tokens ?? COST
    hits.push({ limiter, ...found, cost, peek: isForgiven || limiter.countStatus.length > 0, breach })
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

function conclude (exchange: Exchange, decided: Decided, options: LimitsParts): ReturnType<Check> {
  const { decision, hits } = decided
  const { violations, slots, silence, forgiveness } = options
  if (decision.suspension !== undefined && silence !== undefined) return silence.verdictOf(decision.suspension)
  if (hits.length > 0) exchange.decision = joined(exchange.decision, decision)
  if (decision.unavailable !== undefined) return storeUnavailable(decision.unavailable)
  for (const { hit: index, booking } of decision.observed) {
    noteObserved(exchange, decided, { index, booking, violations })
  }
  if (decision.refused < 0) {
    if (hits.length > 0 && decision.observed.length === 0) forgiveness?.noteCounted(exchange)
    return slots?.conclude(exchange, decision.slots)
  }
  return refuse(exchange, decided, options)
}

/** Limiters of one request may be asked in two steps; headers and refunds are of both. */
function joined (earlier: Decision | undefined, decision: Decision): Decision {
  if (earlier === undefined) return decision
  const refused = decision.refused < 0 ? decision.refused : earlier.states.length + decision.refused
  return { ...decision, refused, states: [...earlier.states, ...decision.states], earlier }
}

function refuse (exchange: Exchange, { decision, hits }: Decided, options: LimitsParts): ReturnType<Check> {
  const { violations, store, clock, quieten, onStoreError } = options
  const hit = hits[decision.refused] as Hit
  const { limiter, bucket, subject, breach } = hit
  if (countsRefused(limiter)) {
    runAside(() => store.charge({ limiter, bucket, subject, cost: COST, now: clock() }), onStoreError)
  }
  const verdict = limitVerdict(exchange.decision ?? decision, exchange.decision?.refused ?? decision.refused, hit.cost)
  const booked = breach === undefined || decision.booking === undefined
    ? verdict
    : chain(violations.settle(exchange, verdict, { breach, booking: decision.booking }),
      (booking) => ({ ...verdict, booking }))
  return chain<LimitVerdict, Verdict | undefined>(booked, (told) => limiter.suspend === undefined
    ? quieten(told, hit)
    : chain<Verdict | undefined, Verdict | undefined>(
      silenced(exchange, limiter, options), (instead) => instead ?? told))
}

/** What the person is told instead where this refusal silences him; undefined: it only refuses. */
function silenced (
  exchange: Exchange, { name: rule, suspend }: Limiter, { silence, reset }: LimitsCheckOptions
): ReturnType<Check> {
  if (suspend === undefined) return undefined
  return silence?.suspend(exchange, { reason: 'rate', rule, ...suspend, ...reset !== undefined && { reset } })
}

interface Observed {
  readonly index: number
  readonly booking: Decision['booking']
  readonly violations: LimitsCheckOptions['violations']
}

/** A refusal of a limiter in observe mode: written down, not enforced. */
function noteObserved (
  exchange: Exchange, { decision, hits }: Decided, { index, booking, violations }: Observed
): void {
  const { breach, cost } = hits[index] as Hit
  const verdict = limitVerdict(decision, index, cost)
  exchange.observed.push(breach === undefined || booking === undefined
    ? verdict
    : { ...verdict, booking: violations.noteShadow(exchange, verdict, { breach, booking }) })
}
