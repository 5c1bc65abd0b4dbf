/** What a day's questions may cost, counted with everything else that is counted: shared, and over restarts. */
import { chain, rescue, runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import type { CounterStore, Hit, Limiter } from '../limits/contract.js'
import { placeLimiter, settleState } from '../limits/limits.js'
import type { BudgetRule, DoormanMeters } from './contract.js'

const DAY_MS = 86_400_000
const BUCKET = 'global'
const REQUESTS = 'portcullis:doorman:requests'
const TOKENS = 'portcullis:doorman:tokens'

export interface BudgetOptions {
  readonly counters: CounterStore
  readonly clock: Clock
  /** An id for a question to the store, unique over all instances. */
  newId (): string
  readonly meters: Pick<DoormanMeters, 'budgetLeft'>
  /** Told what the store failed to do. */
  onStoreError (error: Error): void
}

/** What one question took. */
export interface Spending {
  /** What it cost in the end; undefined: nobody said, so that it stays with what was estimated. */
  settle (tokens: number | undefined): void
}

export interface Budget {
  /**
   * Takes one question and its estimated tokens; undefined: the day's are spent. Where the store fails, the question is
   * asked: its own limiters stand before it.
   */
  take (rule: BudgetRule, estimate: number): Spending | undefined | Promise<Spending | undefined>
}

const FREE: Spending = { settle: () => {} }

export function createBudget ({ counters: store, clock, newId, meters, onStoreError }: BudgetOptions): Budget {
  return {
    take (rule, estimate) {
      const hits = hitsOf(rule, estimate)
      if (hits.length === 0) return FREE
      const question = { id: newId(), hits, slots: [], now: clock() }
      return chain(rescue(() => store.decide(question), onStoreError), (decision): Spending | undefined => {
        if (decision === undefined) return FREE
        const isRefused = decision.refused >= 0 || decision.unavailable !== undefined
        const settle = (index: number, to: number) => {
          runAside(() => settleState(decision, index, { store, clock, to }), onStoreError)
        }
        decision.states.forEach(({ limiter, remaining, charged }, index) => {
          meters.budgetLeft(limiter.name === TOKENS ? 'tokens' : 'requests', isRefused ? remaining + charged : remaining)
          // What one of the two gave before the other refused.
          if (isRefused) settle(index, 0)
        })
        if (isRefused) return undefined
        const tokens = decision.states.findIndex(({ limiter }) => limiter.name === TOKENS)
        return tokens < 0 ? FREE : { settle: (spent) => { if (spent !== undefined) settle(tokens, spent) } }
      })
    },
  }
}

function hitsOf ({ requests, tokens }: BudgetRule, estimate: number): Hit[] {
  return [
    ...requests === undefined ? [] : [hitOn(REQUESTS, requests, 1)],
    ...tokens === undefined ? [] : [hitOn(TOKENS, tokens, Math.max(1, estimate))],
  ]
}

function hitOn (name: string, max: number, cost: number): Hit {
  return { limiter: budgetLimiter(name, max), bucket: BUCKET, subject: BUCKET, cost, peek: false, breach: undefined }
}

function budgetLimiter (name: string, max: number): Limiter {
  return { ...placeLimiter({ name, windowMs: DAY_MS, persist: true, onFailure: 'local' }), max, burst: max }
}
