import type {
  Binding, Lease, LeaseList, LeaseRecord, LeaseStore, SlotRequest, TakeRequest,
} from '../../concurrency/contract.js'
import type { LocalLeases } from './local.js'
import { Outbox, type OutboxOptions } from './outbox.js'

export interface LeaseMemoryOptions extends Omit<OutboxOptions<never>, 'name' | 'send'> {
  readonly remote: LeaseStore
  /** Leases that only this process knows of. */
  readonly local: LocalLeases
  /** Empty: for what this process knows of the shared ones. */
  readonly known: LocalLeases
}

/** What this process knows of leases, for the time when the shared store cannot be asked, and what it must be told. */
export interface LeaseMemory {
  /** The shared store granted it. */
  remember (slot: Pick<SlotRequest, 'lease' | 'leaseMs'>, now: number): void
  /** What it told of a holder: a stream that another instance's message is on may end here. */
  rememberBound (list: LeaseList, now: number): void
  /** Admitted without a slot: there is nothing to renew, bind or release. */
  leaveUnheld (lease: Lease): void
  isUnheld (lease: Lease): boolean
  isLocal (lease: Lease): boolean
  /** The shared leases that this process knows of; none of them may be live any more. */
  readonly known: LocalLeases
  /** To be released when the store is there. */
  keepRelease (lease: Lease): void
  keepBinding (binding: Binding): void
  readonly length: number
  readonly dropped: number
  close (withinMs: number): Promise<number>
}

type Waiting =
  | { readonly kind: 'release', readonly lease: Lease }
  | { readonly kind: 'binding', readonly binding: Binding }

export function createLeaseMemory (options: LeaseMemoryOptions): LeaseMemory {
  const { remote, local, known, clock } = options
  /** By object, so that nothing must be forgotten: whoever was admitted so releases what he asked with. */
  const unheld = new WeakSet<Lease>()
  const outbox = new Outbox<Waiting>({
    ...options,
    name: 'releases of slots',
    send: (waiting) => waiting.kind === 'release' ? remote.release(waiting.lease) : remote.bind(waiting.binding),
  })
  return {
    known,
    remember: ({ lease, leaseMs }, now) => { known.take(knownSlot(lease, leaseMs, now)) },
    rememberBound ({ at, records }, now) {
      const lag = now - at
      for (const record of records) {
        const { stream, repeatKey, boundAt = at } = record
        if (stream === undefined) continue
        known.take(knownSlot(record, record.expiresAt - at, now))
        known.bind({ lease: record, stream, repeatKey, now: boundAt + lag })
      }
    },
    leaveUnheld: (lease) => { unheld.add(lease) },
    isUnheld: (lease) => unheld.has(lease),
    isLocal: ({ id, holder, rule }) => local.list(holder, rule, clock()).records.some((record) => record.id === id),
    keepRelease: (lease) => outbox.put({ kind: 'release', lease }),
    keepBinding: (binding) => outbox.put({ kind: 'binding', binding }),
    get length () { return outbox.length },
    get dropped () { return outbox.dropped },
    close: (withinMs) => outbox.close(withinMs),
  }
}

/** The same records, dated by a clock that says `now` where theirs said `at`. */
export function datedBy (now: number, { at, records }: LeaseList): readonly LeaseRecord[] {
  const lag = now - at
  return records.map((record) => ({
    ...record,
    expiresAt: record.expiresAt + lag,
    ...record.boundAt !== undefined && { boundAt: record.boundAt + lag },
  }))
}

function knownSlot (lease: Lease, leaseMs: number, now: number): TakeRequest {
  return {
    id: lease.id, lease, leaseMs, now, max: Infinity, unlessRepeated: undefined, breach: undefined, onFailure: 'local', observe: false,
  }
}
