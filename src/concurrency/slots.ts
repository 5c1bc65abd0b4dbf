import type { Exchange } from '../exchange.js'
import type { ConcurrencyRule } from '../policy/contract.js'
import type { Breach, BrokenRule } from '../violations/contract.js'
import { breachOf } from '../violations/violations.js'
import type { SlotRequest } from './contract.js'
import { holderOf, holderSpokenFor } from './holder.js'
import { repeatKeyOf } from './message-answer.js'

/** One slot that a message wants: the question to the store, and what is needed to go on with its answer. */
export interface Slot {
  readonly rule: ConcurrencyRule
  /** The first question. */
  readonly request: SlotRequest
  /** What a refusal costs. */
  readonly breach: Breach | undefined
  /** The backend can be asked which of the holder's streams have ended, before anybody is refused. */
  readonly mayAsk: boolean
  readonly repeatKey: string | undefined
}

export interface SlotParts {
  readonly now: number
  newId (): string
}

/** A slot per rule that counts this exchange, in the order of the plan. */
export function slotsOf (exchange: Exchange, parts: SlotParts): Slot[] {
  const slots: Slot[] = []
  for (const rule of exchange.plan.concurrency) {
    const holder = holderOf(rule.key, exchange.identity)
    if (holder !== undefined) slots.push(slotOf(exchange, rule, { ...parts, holder }))
  }
  return slots
}

export function brokenRule ({ name, key, max }: ConcurrencyRule): BrokenRule {
  return { rule: name, key: key.join('+'), max }
}

function slotOf (
  exchange: Exchange, rule: ConcurrencyRule, { now, newId, holder }: SlotParts & { readonly holder: string }
): Slot {
  const { name, max, leaseMs, onFailure, violation: type, score } = rule
  const observe = rule.observe || exchange.plan.mode === 'observe'
  const mayAsk = isAnswerable(exchange, rule)
  const repeatKey = repeatKeyOf(exchange, rule)
  const breach = type === undefined ? undefined : breachOf(exchange, { type, score, observe })
  const request = {
    lease: { id: newId(), holder, rule: name, takenAt: now },
    max,
    leaseMs,
    // A message that calls itself by the name of one in flight will be free of charge if that is true. Nobody may have
    // watched the end of the other one, so the backend is asked first: else one name would make every message free.
    unlessRepeated: mayAsk ? repeatKey : undefined,
    breach: mayAsk ? undefined : breach,
    onFailure,
    observe,
  }
  return { rule, request, breach, mayAsk, repeatKey }
}

/** The backend's list names the caller's streams: it can be asked only where the slots are the caller's own. */
function isAnswerable ({ identity }: Exchange, rule: ConcurrencyRule): boolean {
  return rule.stream?.active !== undefined && rule.key.includes('user') && holderSpokenFor(rule, identity) !== undefined
}
