import { chain, rescue, runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import { skipsLimits, type Check, type Exchange } from '../exchange.js'
import { storeUnavailable } from '../store-failure.js'
import type { ConcurrencyVerdict, Verdict } from '../verdict/verdict.js'
import type { Violations } from '../violations/violations.js'
import type { FreeEnded } from './active.js'
import type { LeaseStore, SlotDesk, SlotRequest, TakeResult } from './contract.js'
import type { Message, MessageBook } from './message.js'
import { brokenRule, slotsOf, type Slot } from './slots.js'

const text = 'Too many of your messages are being answered at once. Please wait until one is finished.'
const NO_SLOTS: readonly SlotRequest[] = []
const NO_RESULTS: readonly TakeResult[] = []

export interface CheckParts {
  readonly store: LeaseStore
  readonly book: MessageBook
  readonly freeEnded: FreeEnded
  readonly violations: Pick<Violations, 'settle'>
  readonly clock: Clock
  newId (): string
  onError? (error: Error): void
}

type Outcome = Verdict | undefined | Promise<Verdict | undefined>

/** A message at the desk. */
interface Caller { readonly exchange: Exchange, readonly message: Message }

/** Takes a slot per rule of the plan, in order; a refusal gives back what was taken before it. */
export function createDesk (parts: CheckParts): SlotDesk & { readonly check: Check } {
  const { book, clock, newId, store, onError } = parts
  const desk: SlotDesk = {
    request (exchange) {
      const isSpared = exchange.plan.concurrency.length === 0 || exchange.plan.mode === 'off' || skipsLimits(exchange)
      const slots = isSpared ? [] : slotsOf(exchange, { newId, now: clock() })
      if (slots.length === 0) return NO_SLOTS
      book.open(exchange, slots)
      return slots.map(({ request }) => request)
    },
    conclude: (exchange, results) => conclude(parts, exchange, results),
    abandon (exchange) {
      const message = book.find(exchange)
      if (message === undefined) return
      book.giveBackAll(message)
      for (const { request: { lease } } of message.slots) runAside(() => store.release(lease), onError)
    },
  }
  return {
    ...desk,
    check: (exchange) => desk.request(exchange).length === 0 ? undefined : desk.conclude(exchange, NO_RESULTS),
  }
}

function conclude (parts: CheckParts, exchange: Exchange, results: readonly TakeResult[]): Outcome {
  const message = parts.book.find(exchange)
  if (message === undefined) return undefined
  const caller = { exchange, message }
  // All at once: should the client leave now, everything that was granted goes back.
  results.forEach((result, index) => { if (result.granted) hold(parts, caller, message.slots[index] as Slot) })
  const refused = results.findIndex(({ granted }) => !granted)
  const verdict = admit(parts, caller, { results, from: refused < 0 ? results.length : refused })
  return chain(verdict, (verdict) => {
    if (verdict !== undefined) parts.book.giveBackAll(message)
    return verdict
  })
}

function admit (
  parts: CheckParts, caller: Caller, { results, from }: { results: readonly TakeResult[], from: number }
): Outcome {
  const slot = caller.message.slots[from]
  // Given back as a whole meanwhile: nobody waits for the rest.
  if (slot === undefined || caller.message.isOver) return undefined
  const known = results[from]
  const verdict = known === undefined ? take(parts, caller, slot) : judge(parts, caller, { slot, result: known })
  return chain(verdict, (verdict) => verdict ?? admit(parts, caller, { results, from: from + 1 }))
}

function take (parts: CheckParts, caller: Caller, slot: Slot): Outcome {
  return chain(askFor(parts, slot, slot.request), (result): Outcome => {
    if (result?.granted === true) hold(parts, caller, slot)
    return judge(parts, caller, { slot, result })
  })
}

/** Undefined: the store failed. */
function askFor (
  { store, clock, newId, onError }: CheckParts, { rule }: Slot, request: SlotRequest
): TakeResult | undefined | Promise<TakeResult | undefined> {
  return rescue(() => store.take({ ...request, id: newId(), now: clock() }), (error) => {
    onError?.(new Error(`a slot of ${rule.name} could not be asked for`, { cause: error }))
    // It may have been granted all the same.
    runAside(() => store.release(request.lease), onError)
    return undefined
  })
}

interface Answered { readonly slot: Slot, readonly result: TakeResult | undefined }

function judge (parts: CheckParts, caller: Caller, { slot, result }: Answered): Outcome {
  if (result?.granted === true) return undefined
  if (result === undefined || result.unavailable) {
    return slot.request.observe ? undefined : storeUnavailable(slot.rule.name)
  }
  if (result.repeated || slot.mayAsk) return askBackend(parts, caller, slot)
  return refuse(parts, caller, { slot, result })
}

/** Once the backend has told which messages are over, the store decides. */
async function askBackend (parts: CheckParts, caller: Caller, slot: Slot): Promise<Verdict | undefined> {
  const { rule, request, breach } = slot
  await parts.freeEnded(caller.exchange, rule, request.lease.holder)
  if (caller.message.isOver) return undefined
  const lease = { ...request.lease, takenAt: parts.clock() }
  const second = { ...slot, mayAsk: false, request: { ...request, lease, unlessRepeated: undefined, breach } }
  return await take(parts, caller, second)
}

function hold ({ book }: CheckParts, { message }: Caller, { rule, request, repeatKey }: Slot): void {
  book.hold(message, { lease: request.lease, rule, repeatKey })
}

/** In observe mode the refusal is noted and the message goes on without a slot of this rule. */
function refuse (
  { violations }: CheckParts, { exchange }: Caller, { slot, result }: { slot: Slot, result: TakeResult }
): Outcome {
  const { rule, request, breach } = slot
  const booked = breach === undefined || result.booking === undefined
    ? undefined
    : violations.settle(exchange, brokenRule(rule), { breach, booking: result.booking })
  return chain(booked, (booking) => {
    const verdict: ConcurrencyVerdict = {
      kind: 'concurrency',
      rule: rule.name,
      status: 429,
      message: text,
      limit: rule.max,
      pending: result.held,
      ...(rule.violation !== undefined && { type: rule.violation }),
      ...(booking !== undefined && { booking }),
    }
    if (!request.observe) return verdict
    exchange.observed.push(verdict)
    return undefined
  })
}
