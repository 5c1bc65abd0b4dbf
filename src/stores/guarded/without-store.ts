/** A decision that is made without the shared store, as each rule's `onFailure` says. */
import type { SlotRequest, TakeResult } from '../../concurrency/contract.js'
import type { Decision, DecisionRequest, Hit, LimiterState, OnFailure } from '../../limits/contract.js'
import { standingOf } from '../../limits/window.js'
import type { LocalCounters } from './local.js'

/** Admitted without being counted: nothing is held. */
export const UNHELD: TakeResult = { granted: true, held: 0, repeated: false, booking: undefined, unavailable: false }
/** Refused for want of the store. */
export const UNAVAILABLE: TakeResult = { ...UNHELD, granted: false, unavailable: true }

/** What of all the rules' ways of doing without the store decided. */
export interface DecisionWithoutStore {
  readonly decision: Decision
  readonly outcome: OnFailure
}

/**
 * Any rule that says `closed` refuses before anything is charged; else those that say `local` are asked in process, in
 * their order, and those that say `open` admit, each with a whole bucket.
 */
export function decideWithoutStore (request: DecisionRequest, local: LocalCounters): DecisionWithoutStore {
  const { hits, slots, now } = request
  const unavailable = closedRule(request)
  if (unavailable !== undefined) {
    const states = hits.map((hit) => wholeState(hit, now))
    return { decision: { ...admitted(states, now), unavailable }, outcome: 'closed' }
  }
  const localHits = hits.filter(isCountedLocally)
  const localSlots = slots.filter(isTakenLocally)
  if (localHits.length === hits.length && localSlots.length === slots.length) {
    return { decision: inProcess(local.decide(request)), outcome: 'local' }
  }
  if (localHits.length === 0 && localSlots.length === 0) {
    const states = hits.map((hit) => wholeState(hit, now))
    return { decision: { ...admitted(states, now), slots: slots.map(() => UNHELD) }, outcome: 'open' }
  }
  const part = inProcess(local.decide({ ...request, hits: localHits, slots: localSlots }))
  return { decision: inOrderOf(request, part), outcome: 'local' }
}

/** What is settled later is settled here, be the store back by then or not. */
function inProcess (decision: Decision): Decision {
  return { ...decision, inProcess: true }
}

/** How a rule for slots does without the store: what only observes never refuses. */
export function slotWithoutStore ({ onFailure, observe }: SlotRequest): OnFailure {
  return onFailure === 'closed' && observe ? 'open' : onFailure
}

/** A limiter that nothing passes needs no store to say so. */
function hitWithoutStore ({ limiter: { onFailure, observe, max } }: Hit): OnFailure {
  if (onFailure === 'closed') return observe ? 'open' : 'closed'
  return max <= 0 ? 'local' : onFailure
}

const isCountedLocally = (hit: Hit): boolean => hitWithoutStore(hit) === 'local'
const isTakenLocally = (slot: SlotRequest): boolean => slotWithoutStore(slot) === 'local'

function closedRule ({ hits, slots }: DecisionRequest): string | undefined {
  return hits.find((hit) => hitWithoutStore(hit) === 'closed')?.limiter.name ??
    slots.find((slot) => slotWithoutStore(slot) === 'closed')?.lease.rule
}

/** Puts what was decided about some of the hits and slots where they stand among all of them. */
function inOrderOf ({ hits, slots, now }: DecisionRequest, part: Decision): Decision {
  const places: number[] = []
  const states = hits.map((hit, place) => {
    const state = isCountedLocally(hit) ? part.states[places.push(place) - 1] : undefined
    return state ?? wholeState(hit, now)
  })
  const placeOf = (index: number): number => places[index] ?? -1
  return {
    ...part,
    states,
    refused: placeOf(part.refused),
    observed: part.observed.map((refusal) => ({ ...refusal, hit: placeOf(refusal.hit) })),
    slots: part.refused < 0 ? mergeSlots(slots, part.slots) : part.slots,
  }
}

function mergeSlots (slots: readonly SlotRequest[], taken: readonly TakeResult[]): readonly TakeResult[] {
  const results: TakeResult[] = []
  let next = 0
  for (const slot of slots) {
    const result = isTakenLocally(slot) ? taken[next++] : UNHELD
    if (result === undefined) break
    results.push(result)
    if (!result.granted) break
  }
  return results
}

function admitted (states: readonly LimiterState[], now: number): Decision {
  return { at: now, states, refused: -1, booking: undefined, observed: [], slots: [], unavailable: undefined }
}

function wholeState ({ limiter, bucket, subject, cost }: Hit, now: number): LimiterState {
  return { limiter, bucket, subject, charged: 0, ...standingOf(limiter, undefined, { cost, now }) }
}
