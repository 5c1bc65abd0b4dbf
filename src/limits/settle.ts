import type { Clock } from '../clock.js'
import type { CounterStore, Decision, LimiterState } from './contract.js'

export interface SettleOptions {
  readonly store: Pick<CounterStore, 'charge' | 'refund'>
  readonly clock: Clock
}

export interface Settlement {
  /** What it turned out to cost; 0: all of it goes back. */
  readonly to: number
  /** What stands of it by now; absent: what was charged. */
  readonly from?: number
}

/**
 * Makes of a charge what it turned out to cost, however long after: where it was counted, and in the window that it
 * fell into. The only way in which charges of decisions are given back.
 *
 * @param index of the state in the decision
 * @returns once the store knows; throws, or rejects, what the store does
 */
export function settleState (
  decision: Decision, index: number, { to, from, store, clock }: Settlement & SettleOptions
): void | Promise<void> {
  const { limiter, bucket, subject, charged, remaining } = decision.states[index] as LimiterState
  const stands = from ?? charged
  if (charged === 0 || stands === to) return
  const { at, inProcess = false } = questionOf(decision, index)
  const change = { limiter, bucket, subject, cost: Math.abs(to - stands), now: clock(), inProcess }
  return to > stands ? store.charge(change) : store.refund({ ...change, taken: { at, remaining } })
}

/** Limiters of one request may be asked in two steps, each at its own time, and perhaps in its own place. */
function questionOf (decision: Decision, index: number): Decision {
  const { earlier } = decision
  return earlier !== undefined && index < earlier.states.length ? questionOf(earlier, index) : decision
}
