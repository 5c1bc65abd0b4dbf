import type { Breaker } from './breaker.js'
import { startDeadline, TOO_LATE } from './deadline.js'
import type { Tally } from './tally.js'

/** Calls under way at most, those included that nobody waits for any more: a store that hangs must not fill the memory. */
const MAX_PENDING = 10_000

/** One kind of question to the shared store, and what is done without it. Made once, not per question. */
export interface Errand<Q, A> {
  send (question: Q): A | Promise<A>
  /**
   * The answer when the store has none in time. Must not throw.
   * @param wasSent the store may have done what it was asked for
   */
  instead (question: Q, wasSent: boolean): A | Promise<A>
  /** An answer came in time. Must not throw. */
  arrived? (question: Q, answer: A): void
  /** An answer came after all, when `instead` had been used. Must not throw. */
  late? (question: Q, answer: A): void
  /** Milliseconds to wait, for questions that no request waits for; absent: the deadline. */
  readonly patienceMs?: number
}

/**
 * Asks the shared store, or does without it. Never rejects for the store's sake, and answers synchronously while the
 * store is known to be away.
 */
export type Gate = <Q, A> (errand: Errand<Q, A>, question: Q) => A | Promise<A>

export interface GateOptions {
  readonly breaker: Breaker
  /** Milliseconds that a call may take. */
  readonly deadlineMs: number
  readonly tally: Tally
  /** An error that the question's own data brought about: the store is there. Absent: there are none such. */
  isOfOneKey? (error: unknown): boolean
  readonly maxPending?: number
}

export function createGate (options: GateOptions): Gate {
  const { breaker, deadlineMs, tally, isOfOneKey = () => false, maxPending = MAX_PENDING } = options
  let pending = 0
  breaker.onChange(() => { pending = 0 })

  function failed (error: unknown, generation: number): void {
    if (isOfOneKey(error)) return tally.unreadable(error)
    breaker.failed(error, generation)
    tally.missed(error)
  }

  function wait<Q, A> (answer: Promise<A>, errand: Errand<Q, A>, question: Q): Promise<A> {
    const { generation } = breaker
    pending++
    return new Promise((resolve, reject) => {
      let isSettled = false
      const giveUp = (error: unknown): void => {
        if (isSettled) return
        isSettled = true
        failed(error, generation)
        try {
          resolve(errand.instead(question, true))
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      }
      const timer = startDeadline(errand.patienceMs ?? deadlineMs, () => giveUp(TOO_LATE))
      const settled = (): void => {
        clearTimeout(timer)
        // Calls of before an absence were forgotten with it.
        if (generation === breaker.generation && pending > 0) pending--
      }
      answer.then((value) => {
        settled()
        if (isSettled) return errand.late?.(question, value)
        isSettled = true
        breaker.succeeded()
        errand.arrived?.(question, value)
        resolve(value)
      }, (error: unknown) => {
        settled()
        giveUp(error)
      })
    })
  }

  return (errand, question) => {
    if (breaker.isOpen) return errand.instead(question, false)
    if (pending >= maxPending) {
      breaker.failed(TOO_LATE, breaker.generation)
      return errand.instead(question, false)
    }
    let answer
    try {
      answer = errand.send(question)
    } catch (error) {
      failed(error, breaker.generation)
      return errand.instead(question, true)
    }
    if (answer instanceof Promise) return wait(answer, errand, question)
    errand.arrived?.(question, answer)
    return answer
  }
}
