import { hash } from 'node:crypto'
import type { Exchange } from '../exchange.js'
import { followPointer } from '../json-pointer.js'
import type { Charge, Hit, Limiter } from '../limits/contract.js'
import { placeLimiter } from '../limits/limits.js'
import type { OnceRule } from './contract.js'

/** One subject, so that a cluster has both buckets in one place. */
const SUBJECT = 'global'
/** 144 bits. */
const BUCKET_CHARACTERS = 24

/** Which hit of a delivery's question is which. */
export const KNOWN = 0
export const IN_FLIGHT = 1

/** What one delivery is known by. */
export interface Delivery {
  readonly bucket: string
  readonly limiters: { readonly known: Limiter, readonly inFlight: Limiter }
}

/**
 * Ids are the sender's own, counted for each target and user apart, so that nobody's delivery stands in the way of
 * another's. Answers undefined where there is none.
 */
export function deliveriesBy (
  { id: pointer, knownMs, inFlightMs }: OnceRule
): (exchange: Exchange) => Delivery | undefined {
  const limiters = {
    known: placeLimiter({
      name: 'portcullis:delivered', windowMs: knownMs, persist: true, many: true, onFailure: 'local',
    }),
    // Not kept on disk: what was in flight when the process died is not any more.
    inFlight: placeLimiter({ name: 'portcullis:in-flight', windowMs: inFlightMs, persist: false, onFailure: 'local' }),
  }
  return ({ json, target, identity }) => {
    const id = followPointer(json, pointer)
    if (typeof id === 'string' ? id === '' : !Number.isSafeInteger(id)) return undefined
    const name = JSON.stringify([target.path, identity.user?.id ?? null, id])
    return { bucket: hash('sha256', name, 'base64url').slice(0, BUCKET_CHARACTERS), limiters }
  }
}

/** Is it known? If not, is its place free? Then it is taken. */
export function hitsOf ({ bucket, limiters: { known, inFlight } }: Delivery): Hit[] {
  const common = { bucket, subject: SUBJECT, cost: 1, breach: undefined }
  return [{ ...common, limiter: known, peek: true }, { ...common, limiter: inFlight, peek: false }]
}

/** From now on it is known. */
export function knownCharge ({ bucket, limiters: { known: limiter } }: Delivery, now: number): Charge {
  return { limiter, bucket, subject: SUBJECT, cost: 1, now }
}
