import type { Clock } from './clock.js'
import { faultOf } from './errors.js'
import type { Log } from './log.js'
import type { FaultVerdict } from './verdict/verdict.js'

/** A store that is away may fail every request. */
const TELL_EVERY_MS = 1000
const RETRY_AFTER_MS = 1000

/** Tells the operator of stores that fail, at most once a second. */
export function createFailureReport (log: Log, clock: Clock): (error: Error) => void {
  let toldAt = -Infinity
  let untold = 0
  return (error) => {
    const now = clock()
    // A clock that was set back must not silence it.
    if (now >= toldAt && now - toldAt < TELL_EVERY_MS) {
      untold++
      return
    }
    log.warn({ err: error, ...untold > 0 && { untold } }, 'a store could not do what it was asked for')
    toldAt = now
    untold = 0
  }
}

/** Refuses a request since the store of this rule could not be asked and the rule says that nobody passes unasked. */
export function storeUnavailable (rule: string): FaultVerdict {
  const { code, status, title, message } = faultOf('STORE_UNAVAILABLE')
  return { kind: 'fault', rule, code, status, title, message, retryAfterMs: RETRY_AFTER_MS }
}
