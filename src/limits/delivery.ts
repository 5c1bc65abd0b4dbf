import { hash } from 'node:crypto'
import type { Exchange } from '../exchange.js'
import { followPointer } from '../json-pointer.js'
import type { Charge, Hit, Limiter, OnceRule } from './contract.js'
import { placeLimiter } from './place-limiter.js'

/** One subject, so that a cluster has both buckets in one place. */
const SUBJECT = 'global'
const KNOWN = 'portcullis:delivered'
const IN_FLIGHT = 'portcullis:in-flight'

/** What one delivery is known by. */
export interface Delivery {
  readonly bucket: string
  readonly limiters: Limiters
  readonly inFlightMs: number
  /** When it took its place, epoch milliseconds. */
  readonly takenAt: number
}

interface Limiters { readonly known: Limiter, readonly inFlight: Limiter }

const limitersOf = new WeakMap<OnceRule, Limiters>()

/**
 * Ids are the sender's own, counted for each target and user apart, so that nobody's delivery stands in the way of
 * another's. Undefined: it has none.
 */
export function deliveryOf (rule: OnceRule, { json, target, identity, receivedAt }: Exchange): Delivery | undefined {
  const id = followPointer(json, rule.id)
  if (typeof id === 'string' ? id === '' : !Number.isSafeInteger(id)) return undefined
  const name = JSON.stringify([target.path, identity.user?.id ?? null, id])
  return {
    bucket: hash('sha256', name, 'base64url').slice(0, BUCKET_CHARACTERS),
    limiters: knownLimiters(rule),
    inFlightMs: rule.inFlightMs,
    takenAt: receivedAt,
  }
}

/** 144 bits. */
const BUCKET_CHARACTERS = 24

function knownLimiters (rule: OnceRule): Limiters {
  let limiters = limitersOf.get(rule)
  if (limiters === undefined) {
    limiters = {
      known: placeLimiter({ name: KNOWN, windowMs: rule.knownMs, persist: true, onFailure: 'local' }),
      // Not kept on disk: what was in flight when the process died is not any more.
      inFlight: placeLimiter({ name: IN_FLIGHT, windowMs: rule.inFlightMs, persist: false, onFailure: 'local' }),
    }
    limitersOf.set(rule, limiters)
  }
  return limiters
}

/** Is it known? If not, is its place free? Then it is taken. */
export function hitsOf ({ bucket, limiters: { known, inFlight } }: Delivery): Hit[] {
  const common = { bucket, subject: SUBJECT, cost: 1, breach: undefined }
  return [{ ...common, limiter: known, peek: true }, { ...common, limiter: inFlight, peek: false }]
}

export function chargeOf ({ bucket, limiters }: Delivery, which: keyof Limiters, now: number): Charge {
  return { limiter: limiters[which], bucket, subject: SUBJECT, cost: 1, now }
}
