/** Stores that err in one small thing, to show that the model would notice. */
import type { BanBook } from '../../src/bans/contract.js'
import type { LeaseStore } from '../../src/concurrency/contract.js'
import type { CounterStore, DecisionRequest } from '../../src/limits/contract.js'
import type { ScoreStore } from '../../src/violations/contract.js'
import type { Change } from './places.js'

export const FAULTS: readonly (readonly [fault: string, change: Change])[] = [
  ['lets one too many in', (stores) => ({ ...stores, counters: generous(stores.counters) })],
  ['charges a millisecond late', (stores) => ({ ...stores, counters: late(stores.counters) })],
  ['forgets a refund', (stores) => ({ ...stores, counters: { ...stores.counters, refund: () => {} } })],
  ['never lets a score run out', (stores) => ({ ...stores, scores: lasting(stores.scores) })],
  ['resets one type where all were meant', (stores) => ({ ...stores, scores: halfReset(stores.scores) })],
  ['renews what has run out', (stores) => ({ ...stores, leases: reviving(stores.leases) })],
  ['knows no repetition', (stores) => ({ ...stores, leases: forgetful(stores.leases) })],
  ['lifts a ban without its address', (stores) => ({ ...stores, book: narrow(stores.book) })],
]

function generous (counters: CounterStore): CounterStore {
  const wider = ({ hits, ...rest }: DecisionRequest): DecisionRequest => ({
    ...rest, hits: hits.map(({ limiter, ...hit }) => ({ ...hit, limiter: { ...limiter, max: limiter.max + 1 } })),
  })
  return { ...counters, decide: (request) => counters.decide(wider(request)) }
}

function late (counters: CounterStore): CounterStore {
  return { ...counters, charge: (charge) => counters.charge({ ...charge, now: charge.now + 1 }) }
}

function lasting (scores: ScoreStore): ScoreStore {
  return { ...scores, book: (request) => scores.book({ ...request, breach: { ...request.breach, ttlMs: null } }) }
}

function halfReset (scores: ScoreStore): ScoreStore {
  return { ...scores, reset: (subject, type = 'logins') => scores.reset(subject, type) }
}

function reviving (leases: LeaseStore): LeaseStore {
  return { ...leases, renew: (lease, leaseMs, now) => leases.renew(lease, leaseMs, now - 1) }
}

function forgetful (leases: LeaseStore): LeaseStore {
  return { ...leases, take: (request) => leases.take({ ...request, unlessRepeated: undefined }) }
}

function narrow (book: BanBook): BanBook {
  return Object.assign(Object.create(book) as BanBook, {
    lift: (subject: string, options: Parameters<BanBook['lift']>[1]) => book.lift(subject, { ...options, linked: false }),
  })
}
