import { LRUCache } from 'lru-cache'
import { networkSubject, readAddress } from '../identity/identity.js'
import { shapeOf } from './subjects.js'

/** Addresses whose subjects are remembered, so that a busy client's is parsed once. */
const KEPT_ADDRESSES = 20_000
const NOTHING: readonly string[] = []

/** Knows which prefix lengths are banned, so that an address is found by one map look-up for each of them. */
export interface AddressIndex {
  /** Both take canonical `ip:` subjects, each once. */
  add (subject: string): void
  remove (subject: string): void
  /**
   * Subjects under which a ban of this address could stand, narrowest first. The array is shared: only to be
   * read. Nothing is allocated for an address seen lately.
   */
  subjectsOf (address: string): readonly string[]
}

/** Prefix length → how many bans have it. */
type Lengths = Map<number, number>

export function createAddressIndex (): AddressIndex {
  const uses: Record<4 | 6, Lengths> = { 4: new Map(), 6: new Map() }
  const known = new LRUCache<string, readonly string[]>({ max: KEPT_ADDRESSES })

  /** What is remembered holds for as long as the lengths in use stay the same, which is nearly always. */
  function count (subject: string, change: 1 | -1): void {
    const { family, bits } = shapeOf(subject)
    const before = uses[family].get(bits) ?? 0
    const after = before + change
    if (after === 0) uses[family].delete(bits)
    else uses[family].set(bits, after)
    if (before === 0 || after === 0) known.clear()
  }

  return {
    add: (subject) => count(subject, 1),
    remove: (subject) => count(subject, -1),
    subjectsOf: (address) => {
      if (uses[4].size + uses[6].size === 0) return NOTHING
      let subjects = known.get(address)
      if (subjects === undefined) known.set(address, subjects = compute(address, uses))
      return subjects
    },
  }
}

function compute (address: string, uses: Record<4 | 6, Lengths>): readonly string[] {
  const host = readAddress(address)
  if (host === undefined) return NOTHING
  const lengths = [...uses[host.includes(':') ? 6 : 4].keys()].sort((a, b) => b - a)
  return lengths.map((bits) => networkSubject(`${host}/${bits}`) ?? '')
}
