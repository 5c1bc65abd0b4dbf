import { faultOf } from '../errors.js'
import type { ContentVerdict, FaultVerdict } from '../verdict/verdict.js'
import { FAILED, type CategoryRule, type FailureReason } from './contract.js'

const REFUSED = 400
const FORBIDDEN = 403
const RETRY_AFTER_MS = 5_000
const NOT_ACCEPTED = 'Your message was not accepted because of its content. Please say it in other words.'

/**
 * Failures have a verdict of their own.
 * @param reason why it failed; undefined: it did not
 */
export function verdictOf (category: CategoryRule, reason: FailureReason | undefined): ContentVerdict | FaultVerdict {
  return category.name === FAILED ? unavailable(category, reason) : contentVerdict(category)
}

export function contentVerdict ({ rule, action, message }: CategoryRule): ContentVerdict {
  // The text of a suspension speaks of its minutes, of which there are none here.
  const own = action === 'suspend' ? undefined : message
  const status = action === 'suspend' ? FORBIDDEN : REFUSED
  return { kind: 'content', rule, status, message: own ?? NOT_ACCEPTED, check: 'doorman' }
}

/** Nobody could say what sort of message it is, and nobody passes unasked. */
function unavailable ({ rule, message }: CategoryRule, reason: FailureReason | undefined): FaultVerdict {
  const fault = faultOf('DOORMAN_UNAVAILABLE')
  // A day's budget is not back in seconds, and nobody knows when.
  const isSoonBack = reason !== 'budget'
  return { kind: 'fault', rule, ...fault, message: message ?? fault.message, ...isSoonBack && { retryAfterMs: RETRY_AFTER_MS } }
}
