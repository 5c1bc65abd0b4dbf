import type { Lease, SlotRequest, TakeRequest } from '../../src/concurrency/contract.js'
import type { Charge, DecisionRequest, Hit, Limiter } from '../../src/limits/contract.js'
import type { BookRequest, Breach } from '../../src/violations/contract.js'

export const LEASE_MS = 300_000

/** A limiter with what a test cares about; the rest is ordinary. */
export function limiterOf (name: string, part: Partial<Limiter> = {}): Limiter {
  const max = part.max ?? 3
  return {
    name,
    key: ['ip'],
    max,
    windowMs: 60_000,
    algorithm: 'fixed-window',
    burst: max,
    anonymous: 'skip',
    countStatus: [],
    persist: false,
    violation: 'message_limit',
    score: 1,
    status: 429,
    only: undefined,
    type: undefined,
    shownAs: undefined,
    tokens: undefined,
    after: 'head',
    suspend: undefined,
    drop: undefined,
    message: undefined,
    observe: false,
    onFailure: 'local',
    ...part,
  }
}

/** The same, counting tokens. */
export function tokensOf (name: string, part: Partial<Limiter> = {}): Limiter {
  return limiterOf(name, { key: ['user'], tokens: { maxTokens: 1000, includeUsage: true }, after: 'body', ...part })
}

export function hitOf (limiter: Limiter, bucket = 'ip:203.0.113.9', part: Partial<Hit> = {}): Hit {
  return { limiter, bucket, subject: bucket, cost: 1, peek: false, breach: undefined, ...part }
}

let ids = 0

/** Stores may outlive a test file, and remember ids. */
const freshId = () => `${process.pid}-${performance.timeOrigin}-${ids++}`

/** Every question is a new one. */
export function questionOf (hits: readonly Hit[], now: number, slots: readonly SlotRequest[] = []): DecisionRequest {
  return { id: freshId(), hits, slots, now }
}

/** A message's lease, of `user:42` under the rule `messages`. */
export function leaseOf (id: string, part: Partial<Lease> = {}): Lease {
  return { id, holder: 'user:42', rule: 'messages', takenAt: 0, ...part }
}

export function slotOf (lease: Lease, max: number, part: Partial<SlotRequest> = {}): SlotRequest {
  return {
    lease, max, leaseMs: LEASE_MS, unlessRepeated: undefined, breach: undefined, onFailure: 'local', observe: false, ...part,
  }
}

/** Every slot is asked for anew. */
export function takeOf (lease: Lease, max: number, part: Partial<TakeRequest> & { now: number }): TakeRequest {
  return { ...slotOf(lease, max), id: freshId(), ...part }
}

export function chargeOf (limiter: Limiter, bucket: string, now: number): Charge {
  return { limiter, bucket, subject: bucket, cost: 1, now }
}

export function breachFor (subject = 'user:42', part: Partial<Breach> = {}): Breach {
  return { type: 'message_limit', subject, score: 1, interval: 20, scope: 'type', ttlMs: 3_600_000, shadow: false, ...part }
}

/** Every violation is a new one. */
export function bookingOf (breach: Breach, now: number): BookRequest {
  return { id: freshId(), breach, now }
}
