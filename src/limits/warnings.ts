/**
 * Who is told, and who was told a moment ago: one word in so long, from all instances together; while the shared store
 * is away, one from each. A word is kept on disk before it is given.
 */
import { chain, rescue } from '../chain.js'
import type { Clock } from '../clock.js'
import type { CounterStore, Hit, Limiter } from './contract.js'
import { placeLimiter } from './place-limiter.js'

export interface WarningsOptions {
  readonly store: CounterStore
  readonly clock: Clock
  /** An id for a decision, unique over all instances. */
  newId (): string
  /** Told what the store failed to do. */
  onStoreError (error: Error): void
}

export interface Warnings {
  /** Whether a word is due in this bucket; if so, it is given. Never rejects: where nobody can say, none is. */
  due (limiter: Limiter, of: Pick<Hit, 'bucket' | 'subject'>): boolean | Promise<boolean>
}

/**
 * @param rule what the words are about
 * @returns the limiter of one place in so long, for `due`; made once for a rule
 */
export function warningLimiter (rule: string, everyMs: number): Limiter {
  return placeLimiter({
    name: `portcullis:warned:${rule}`, windowMs: everyMs, persist: true, durable: true, onFailure: 'local',
  })
}

export function createWarnings ({ store, clock, newId, onStoreError }: WarningsOptions): Warnings {
  return {
    due (limiter, { bucket, subject }) {
      const hit: Hit = { limiter, bucket, subject, cost: 1, peek: false, breach: undefined }
      const asked = rescue(() => store.decide({ id: newId(), hits: [hit], slots: [], now: clock() }), onStoreError)
      return chain(asked, (decision) =>
        decision !== undefined && decision.refused < 0 && decision.unavailable === undefined)
    },
  }
}
