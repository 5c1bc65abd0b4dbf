import type { Suspension } from '../suspensions/contract.js'
import type { Decision } from './contract.js'

const UNDECIDED = { states: [], refused: -1, booking: undefined, observed: [], slots: [], unavailable: undefined }

/** What stores answer when the watched subject is suspended: nothing else was looked at. */
export function suspendedDecision (suspension: Suspension, at: number): Decision {
  return { ...UNDECIDED, at, suspension }
}
