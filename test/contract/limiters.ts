import type { Charge, DecisionRequest, Hit, Limiter } from '../../src/limits/contract.js'
import type { Breach } from '../../src/violations/contract.js'

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
    message: undefined,
    observe: false,
    ...part,
  }
}

export function hitOf (limiter: Limiter, bucket = 'ip:203.0.113.9', part: Partial<Hit> = {}): Hit {
  return { limiter, bucket, subject: bucket, cost: 1, peek: false, breach: undefined, ...part }
}

let questions = 0

/** Every question is a new one. */
export function questionOf (hits: readonly Hit[], now: number): DecisionRequest {
  return { id: `question-${questions++}`, hits, now }
}

export function chargeOf (limiter: Limiter, bucket: string, now: number): Charge {
  return { limiter, bucket, subject: bucket, cost: 1, now }
}

export function breachFor (subject = 'user:42', part: Partial<Breach> = {}): Breach {
  return { type: 'message_limit', subject, score: 1, interval: 20, scope: 'type', ttlMs: 3_600_000, shadow: false, ...part }
}
