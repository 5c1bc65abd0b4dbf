import type { LeaseStore } from '../../src/concurrency/contract.js'
import type { CounterStore } from '../../src/limits/contract.js'
import type { ScoreStore } from '../../src/violations/contract.js'

/** The way to a store that is elsewhere. Every call takes some turns of the event loop to get there, and some back. */
export interface Connection {
  send<T> (name: string, call: () => T | Promise<T>): Promise<T>
  /** Names of the calls that were sent so far. */
  readonly sent: string[]
  /** From now on nothing gets there; or no call of this name, and none behind it. */
  pause (name?: string): void
  resume (): void
  /** What becomes of calls instead of an answer, after they were done; undefined: all is well. */
  failure: Error | undefined
  /** Resolves when no call is under way and none follows from the last. */
  quiet (): Promise<void>
}

export interface ConnectionOptions {
  /** From 0 to 1. */
  readonly random?: () => number
  /** False: calls overtake each other, as those of several connections do. */
  readonly inOrder?: boolean
}

const LONGEST_TURNS = 4

/** Numbers that look random and are the same for one seed. */
export function randomOf (seed: number): () => number {
  let state = seed | 0
  return () => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0
    return (state >>> 8) / 2 ** 24
  }
}

export function createConnection ({ random = Math.random, inOrder = true }: ConnectionOptions = {}): Connection {
  let line: Promise<unknown> = Promise.resolve()
  let pending = 0
  let paused: PromiseWithResolvers<void> & { name: string | undefined } | undefined
  const gate = (name: string) => paused?.name === undefined || paused.name === name ? paused?.promise : undefined
  const travel = async () => {
    for (let left = Math.floor(random() * LONGEST_TURNS); left > 0; left--) await turn()
  }
  const connection: Connection = {
    sent: [],
    failure: undefined,
    async send (name, call) {
      connection.sent.push(name)
      pending++
      const answer = (inOrder ? line : turn()).then(travel).then(() => gate(name)).then(call)
      line = answer.catch(() => {})
      try {
        const value = await answer
        await travel()
        if (connection.failure !== undefined) throw connection.failure
        return value
      } finally {
        pending--
      }
    },
    pause (name) { paused ??= { ...Promise.withResolvers<void>(), name } },
    resume () {
      paused?.resolve()
      paused = undefined
    },
    async quiet () {
      for (let idle = 0; idle < 3; idle = pending === 0 ? idle + 1 : 0) await turn()
    },
  }
  return connection
}

export function slowLeases (inner: LeaseStore, { send }: Connection): LeaseStore {
  return {
    take: (request) => send('take', () => inner.take(request)),
    renew: (lease, leaseMs, now) => send('renew', () => inner.renew(lease, leaseMs, now)),
    release: (lease) => send('release', () => inner.release(lease)),
    bind: (binding) => send('bind', () => inner.bind(binding)),
    list: (holder, rule, now) => send('list', () => inner.list(holder, rule, now)),
  }
}

export function slowCounters (inner: CounterStore, { send }: Connection): CounterStore {
  return {
    decide: (request) => send('decide', () => inner.decide(request)),
    charge: (charge) => send('charge', () => inner.charge(charge)),
    refund: (charge) => send('refund', () => inner.refund(charge)),
  }
}

export function slowScores (inner: ScoreStore, { send }: Connection): ScoreStore {
  return {
    book: (request) => send('book', () => inner.book(request)),
    list: (subject) => send('scores', () => inner.list(subject)),
    cleanSince: (subjects, since) => send('cleanSince', () => inner.cleanSince(subjects, since)),
    reset: (subject, type) => send('reset', () => inner.reset(subject, type)),
  }
}

function turn (): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
