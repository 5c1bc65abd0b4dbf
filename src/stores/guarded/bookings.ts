import { observedId, type Decision, type DecisionRequest } from '../../limits/contract.js'
import type { Booking } from '../../verdict/verdict.js'
import type { BookRequest, Breach } from '../../violations/contract.js'

/** A violation, as it is booked, and what the booking did. */
export interface BookedViolation extends BookRequest {
  readonly booking: Booking
}

/** All that a decision has booked, each under the id that any store books it under. */
export function * bookingsOf (request: DecisionRequest, decision: Decision): Iterable<BookedViolation> {
  const { id, hits, slots, now } = request
  for (const { hit, booking } of decision.observed) {
    yield * booked({ id: observedId(id, hit), breach: hits[hit]?.breach, now }, booking)
  }
  yield * booked({ id, breach: hits[decision.refused]?.breach, now }, decision.booking)
  for (const [index, { booking }] of decision.slots.entries()) {
    yield * booked({ id, breach: slots[index]?.breach, now }, booking)
  }
}

type Offence = Omit<BookRequest, 'breach'> & { readonly breach: Breach | undefined }

function * booked ({ id, breach, now }: Offence, booking: Booking | undefined): Iterable<BookedViolation> {
  if (breach !== undefined && booking !== undefined) yield { id, breach, now, booking }
}
