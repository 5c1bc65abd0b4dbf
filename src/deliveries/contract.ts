import type { Check, Exchange, ObserveAnswer } from '../exchange.js'

/** Deliveries that come again are answered, not forwarded twice. */
export interface OnceRule {
  /** JSON pointer (parsed) to the delivery's id: a text or a whole number; without one, each is a delivery of its own. */
  readonly id: readonly string[]
  /** How long a delivery is known once the backend has answered it with 2xx. */
  readonly knownMs: number
  /** How long one that has no answer yet stands in the way of the next, should its process have died. */
  readonly inFlightMs: number
  /** How long such a next one waits for that answer before it is told to come again; 0: not at all. */
  readonly patienceMs: number
}

export interface Deliveries {
  /** Answers what the backend has already, and waits for what it has just now. To be made once a plan. */
  checkFor (rule: OnceRule): Check
  /** For the delivery itself. What the backend had is counted, whatever came of it: it comes again at its own cost. */
  readonly observe: ObserveAnswer
  /** Frees the place of an exchange that is refused. This and the next are harmless at any time, any number of times. */
  release (exchange: Exchange): void
  /** The same for one that the backend has not got and that will come again: its limiters' charges go back too. */
  giveUp (exchange: Exchange): void
}
