/** Counters while the shared store may be away: then each rule's `onFailure` decides, in process. */
import type { Charge, CounterStore, Decision, DecisionRequest, OnFailure } from '../../limits/contract.js'
import { bookingsOf } from './bookings.js'
import type { LocalSuspensions, Suspension } from '../../suspensions/contract.js'
import { suspendedDecision } from '../../limits/suspended-decision.js'
import type { Errand, Gate } from './gate.js'
import type { LeaseMemory } from './lease-memory.js'
import type { LocalCounters } from './local.js'
import type { SuspensionMemory } from './suspension-memory.js'
import type { ViolationOutbox } from './violation-outbox.js'
import { decideWithoutStore, UNHELD } from './without-store.js'

export interface GuardedCountersOptions {
  readonly remote: CounterStore
  /** Books in the scores, and takes slots from the leases, that stand in for the shared ones. */
  readonly local: LocalCounters
  readonly gate: Gate
  readonly outbox: ViolationOutbox
  readonly memory: LeaseMemory
  readonly suspensions: { readonly local: Pick<LocalSuspensions, 'find'>, readonly memory: Pick<SuspensionMemory, 'learn' | 'unsent'> }
  onDegraded (outcome: OnFailure): void
}

/**
 * Never rejects for the store's sake, and answers synchronously while it is known to be away. A decision whose answer
 * was lost may have charged the shared buckets as well as the local ones. Charges and refunds that the store did not
 * hear of count in process only; refusals are kept and booked when it returns.
 */
export function guardCounters (options: GuardedCountersOptions): CounterStore {
  const { remote, local, gate, outbox, memory, suspensions, onDegraded } = options

  const decide: Errand<DecisionRequest, Decision> = {
    send: (request) => remote.decide(request),
    instead (request, wasSent) {
      // Slots that it may have granted all the same.
      if (wasSent) for (const { lease } of request.slots) memory.keepRelease(lease)
      const suspension = findWatched(request, suspensions.local.find)
      if (suspension !== undefined) return suspendedDecision(suspension, request.now)
      const { decision, outcome } = decideWithoutStore(request, local)
      onDegraded(outcome)
      for (const { id, breach, now } of bookingsOf(request, decision)) outbox.keep({ id, breach, now })
      decision.slots.forEach((slot, index) => {
        const lease = request.slots[index]?.lease
        if (slot === UNHELD && lease !== undefined) memory.leaveUnheld(lease)
      })
      return decision
    },
    arrived (request, decision) {
      const { watched, now } = request
      if (watched !== undefined) suspensions.memory.learn(watched, decision.suspension, now)
      decision.slots.forEach(({ granted }, index) => {
        const slot = request.slots[index]
        if (granted && slot !== undefined) memory.remember(slot, request.now)
      })
    },
    late (request, decision) {
      // On a Cluster the slots come last, perhaps after we gave them back.
      decision.slots.forEach(({ granted }, index) => {
        const slot = request.slots[index]
        if (granted && slot !== undefined) memory.keepRelease(slot.lease)
      })
      for (const { breach, booking, now } of bookingsOf(request, decision)) outbox.noteLate(breach, booking, now)
    },
  }
  const charge: Errand<Charge, void> = {
    send: (charge) => remote.charge(charge),
    instead (charge) { if (charge.limiter.onFailure === 'local') local.charge(charge) },
  }
  const refund: Errand<Charge, void> = {
    send: (charge) => remote.refund(charge),
    // What the store itself has counted is not given back to counts of our own.
    instead (charge) { if (charge.limiter.onFailure === 'local' && charge.inProcess !== false) local.refund(charge) },
  }
  return {
    decide (request) {
      const unsent = findWatched(request, suspensions.memory.unsent)
      return unsent === undefined ? gate(decide, request) : suspendedDecision(unsent, request.now)
    },
    charge: (request) => request.inProcess === true ? local.charge(request) : gate(charge, request),
    refund: (request) => request.inProcess === true ? local.refund(request) : gate(refund, request),
  }
}

function findWatched ({ watched, now }: DecisionRequest, find: LocalSuspensions['find']): Suspension | undefined {
  return watched === undefined ? undefined : find(watched, now)
}
