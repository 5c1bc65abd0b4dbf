/** How scores and leases are laid side by side. */
import type { LeaseRecord } from '../../src/concurrency/contract.js'

/** Stores list in any order. */
export function byId<T> (idOf: (one: T) => string) {
  return (one: T, other: T): number => idOf(one) < idOf(other) ? -1 : 1
}

export function leaseRow ({ id, takenAt, expiresAt, stream, boundAt, repeatKey }: LeaseRecord) {
  return [id, takenAt, expiresAt, stream, boundAt, repeatKey] as const
}
