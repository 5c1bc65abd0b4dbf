import type {
  Binding, Lease, LeaseList, LeaseRecord, LeaseStore, TakeRequest, TakeResult,
} from '../../concurrency/contract.js'
import type { Booking } from '../../verdict/verdict.js'
import type { BookRequest } from '../../violations/contract.js'

/** Holders looked at for every lease taken: what has run out goes without a timer. */
const SWEPT_PER_TAKE = 2
const MAX_HOLDERS = 200_000

const GRANTED = { granted: true, repeated: false, booking: undefined, unavailable: false }
const REFUSED = { ...GRANTED, granted: false }

type Slots = Map<string, LeaseRecord>

export interface MemoryLeasesOptions {
  /** Books at once, so that refusing and booking are one step. */
  readonly scores: { book (request: BookRequest): Booking }
}

export interface MemoryLeases extends LeaseStore {
  take (request: TakeRequest): TakeResult
  renew (lease: Lease, leaseMs: number, now: number): void
  release (lease: Lease): void
  bind (binding: Binding): LeaseRecord | undefined
  list (holder: string, rule: string, now: number): LeaseList
  /** Holders with leases, some of which may have run out. */
  readonly size: number
}

/** Leases in process: they die with it, and so do the connections that they were for. */
export function createMemoryLeases ({ scores }: MemoryLeasesOptions): MemoryLeases {
  const holders = new Map<string, Slots>()
  let cursor = holders.entries()

  /** Live slots of a holder; those that have run out are dropped. */
  function liveSlots (lease: Pick<Lease, 'holder' | 'rule'>, now: number): Slots | undefined {
    const key = keyOf(lease)
    const slots = holders.get(key)
    if (slots === undefined) return undefined
    dropExpired(slots, now)
    if (slots.size > 0) return slots
    holders.delete(key)
    return undefined
  }

  function sweep (now: number): void {
    for (let step = 0; step < SWEPT_PER_TAKE; step++) {
      const { value, done } = cursor.next()
      if (done === true) {
        cursor = holders.entries()
        return
      }
      dropExpired(value[1], now)
      if (value[1].size === 0) holders.delete(value[0])
    }
  }

  function add (lease: Lease, record: LeaseRecord): void {
    const key = keyOf(lease)
    const slots = holders.get(key) ?? new Map<string, LeaseRecord>()
    slots.set(lease.id, record)
    holders.set(key, slots)
    const oldest = holders.size > MAX_HOLDERS ? holders.keys().next().value : undefined
    if (oldest !== undefined) holders.delete(oldest)
  }

  function replace (lease: Lease, now: number, change: Partial<LeaseRecord>): void {
    const slots = liveSlots(lease, now)
    const record = slots?.get(lease.id)
    if (record !== undefined) slots?.set(lease.id, { ...record, ...change })
  }

  return {
    take ({ id: violation, lease, max, leaseMs, unlessRepeated, breach, now }) {
      sweep(now)
      const slots = liveSlots(lease, now)
      const held = slots?.size ?? 0
      if (unlessRepeated !== undefined && hasRepeat(slots, unlessRepeated)) return { ...REFUSED, held, repeated: true }
      if (held >= max) {
        const booking = breach === undefined ? undefined : scores.book({ id: violation, breach, now })
        return { ...REFUSED, held, booking }
      }
      const { id, holder, rule, takenAt } = lease
      add(lease, { id, holder, rule, takenAt, expiresAt: now + leaseMs })
      return { ...GRANTED, held: held + 1 }
    },
    renew (lease, leaseMs, now) {
      replace(lease, now, { expiresAt: now + leaseMs })
    },
    release (lease) {
      const slots = holders.get(keyOf(lease))
      if (slots?.delete(lease.id) === true && slots.size === 0) holders.delete(keyOf(lease))
    },
    bind ({ lease, stream, repeatKey, now }) {
      replace(lease, now, { stream, boundAt: now, ...(repeatKey === undefined ? {} : { repeatKey }) })
      if (repeatKey === undefined) return undefined
      const others = [...liveSlots(lease, now)?.values() ?? []].filter(({ id }) => id !== lease.id)
      return others.find((other) => other.stream === stream && other.repeatKey === repeatKey)
    },
    list (holder, rule, now) {
      return { at: now, records: [...liveSlots({ holder, rule }, now)?.values() ?? []] }
    },
    get size () { return holders.size },
  }
}

function hasRepeat (slots: Slots | undefined, repeatKey: string): boolean {
  for (const record of slots?.values() ?? []) if (record.repeatKey === repeatKey) return true
  return false
}

function dropExpired (slots: Slots, now: number): void {
  for (const [id, { expiresAt }] of slots) if (expiresAt <= now) slots.delete(id)
}

function keyOf ({ holder, rule }: Pick<Lease, 'holder' | 'rule'>): string {
  return `${rule}\n${holder}`
}
