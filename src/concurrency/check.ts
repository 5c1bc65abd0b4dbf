import type { Clock } from '../clock.js'
import { skipsLimits, type Check, type Exchange } from '../exchange.js'
import type { ConcurrencyRule } from '../policy/contract.js'
import type { Booking, ConcurrencyVerdict, Verdict } from '../verdict/verdict.js'
import type { FreeEnded } from './active.js'
import type { LeaseStore, TakeResult } from './contract.js'
import { holderOf, holderSpokenFor } from './holder.js'
import { repeatKeyOf } from './message-answer.js'
import type { Message, MessageBook } from './message.js'
import { chain } from './settle.js'

const text = 'Too many of your messages are being answered at once. Please wait until one is finished.'

export interface CheckParts {
  readonly store: LeaseStore
  readonly book: MessageBook
  readonly freeEnded: FreeEnded
  readonly clock: Clock
  newId (): string
  bookRefusal (exchange: Exchange, rule: ConcurrencyRule): Booking | undefined | Promise<Booking | undefined>
}

type Outcome = Verdict | undefined | Promise<Verdict | undefined>

/** Takes a slot per rule of the plan, in order; a refusal gives back what was taken before it. */
export function createCheck (parts: CheckParts): Check {
  const { book } = parts

  function admit (exchange: Exchange, message: Message, from: number): Outcome {
    const rule = exchange.plan.concurrency[from]
    if (rule === undefined) return undefined
    return chain(takeSlot(parts, exchange, message, rule), (verdict) => verdict ?? admit(exchange, message, from + 1))
  }

  return (exchange) => {
    if (exchange.plan.concurrency.length === 0 || exchange.plan.mode === 'off' || skipsLimits(exchange)) return undefined
    const message = book.open(exchange)
    const giveBack = (): void => book.giveBackAll(message)
    try {
      const outcome = admit(exchange, message, 0)
      if (outcome instanceof Promise) return settleLater(outcome, giveBack)
      if (outcome !== undefined) giveBack()
      return outcome
    } catch (error) {
      giveBack()
      throw error
    }
  }
}

async function settleLater (outcome: Promise<Verdict | undefined>, giveBack: () => void): Promise<Verdict | undefined> {
  try {
    const verdict = await outcome
    if (verdict !== undefined) giveBack()
    return verdict
  } catch (error) {
    giveBack()
    throw error
  }
}

function takeSlot (parts: CheckParts, exchange: Exchange, message: Message, rule: ConcurrencyRule): Outcome {
  const holder = holderOf(rule.key, exchange.identity)
  if (holder === undefined) return undefined
  const slot = { rule, holder }
  return chain(freeRepeated(parts, exchange, slot), (hasAsked) =>
    chain(tryTake(parts, message, slot), (first): Outcome => {
      if (first.granted) return undefined
      if (hasAsked || !mayAsk(exchange, rule)) return refuse(parts, exchange, rule, first.held)
      return parts.freeEnded(exchange, rule, holder)
        .then(() => tryTake(parts, message, slot))
        .then((second) => second.granted ? undefined : refuse(parts, exchange, rule, second.held))
    }))
}

/**
 * A message that calls itself by the name of one in flight will be free of charge if that is true. Nobody may have
 * watched the end of the other one, so the backend is asked first: else one name would make every message free.
 * True: it was asked.
 */
function freeRepeated (parts: CheckParts, exchange: Exchange, { rule, holder }: Slot): boolean | Promise<boolean> {
  if (rule.stream?.repeat === undefined || !mayAsk(exchange, rule)) return false
  return chain(parts.store.list(holder, rule.name, parts.clock()), (records) => {
    const named = records.filter(({ repeatKey }) => repeatKey !== undefined)
    if (named.length === 0) return false
    const name = repeatKeyOf(exchange, rule)
    if (!named.some(({ repeatKey }) => repeatKey === name)) return false
    return parts.freeEnded(exchange, rule, holder).then(() => true)
  })
}

/** The backend's list names the caller's streams: it can be asked only where the slots are the caller's own. */
function mayAsk (exchange: Exchange, rule: ConcurrencyRule): boolean {
  return rule.stream?.active !== undefined && rule.key.includes('user') &&
    holderSpokenFor(rule, exchange.identity) !== undefined
}

interface Slot { readonly rule: ConcurrencyRule, readonly holder: string }

function tryTake (parts: CheckParts, message: Message, { rule, holder }: Slot): TakeResult | Promise<TakeResult> {
  const now = parts.clock()
  const lease = { id: parts.newId(), holder, rule: rule.name, takenAt: now }
  return chain(parts.store.take({ lease, max: rule.max, leaseMs: rule.leaseMs, now }), (result) => {
    if (result.granted) parts.book.hold(message, { lease, rule })
    return result
  })
}

/** In observe mode the refusal is noted and the message goes on without a slot of this rule. */
function refuse (parts: CheckParts, exchange: Exchange, rule: ConcurrencyRule, held: number): Outcome {
  return chain(parts.bookRefusal(exchange, rule), (booking) => {
    const verdict: ConcurrencyVerdict = {
      kind: 'concurrency',
      rule: rule.name,
      status: 429,
      message: text,
      limit: rule.max,
      pending: held,
      ...(rule.violation !== undefined && { type: rule.violation }),
      ...(booking !== undefined && { booking }),
    }
    if (exchange.plan.mode !== 'observe' && !rule.observe) return verdict
    exchange.observed.push(verdict)
    return undefined
  })
}
