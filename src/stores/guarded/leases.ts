/** Leases while the shared store may be away: slots are then granted in process, or as the rule says. */
import type {
  Binding, Lease, LeaseList, LeaseRecord, LeaseStore, TakeRequest, TakeResult,
} from '../../concurrency/contract.js'
import type { OnFailure } from '../../limits/contract.js'
import type { Errand, Gate } from './gate.js'
import { datedBy, type LeaseMemory } from './lease-memory.js'
import type { LocalLeases } from './local.js'
import type { ViolationOutbox } from './violation-outbox.js'
import { slotWithoutStore, UNAVAILABLE, UNHELD } from './without-store.js'

export interface GuardedLeasesOptions {
  readonly remote: LeaseStore
  readonly local: LocalLeases
  readonly gate: Gate
  readonly memory: LeaseMemory
  readonly outbox: ViolationOutbox
  onDegraded (outcome: OnFailure): void
}

interface Renewal { readonly lease: Lease, readonly leaseMs: number, readonly now: number }
interface Look { readonly holder: string, readonly rule: string, readonly now: number }

/**
 * Never rejects for the store's sake. What was granted in process stays there; what the store granted is bound and
 * released there when it returns, if it is away then. While it is away a list holds what this process knows of.
 */
export function guardLeases (options: GuardedLeasesOptions): LeaseStore {
  const { local, gate, memory } = options
  const { known } = memory
  const { take, renew, release, bind, list } = errandsFor(options)
  return {
    take: (request) => gate(take, request),
    renew (lease, leaseMs, now) {
      if (memory.isUnheld(lease)) return
      if (memory.isLocal(lease)) return local.renew(lease, leaseMs, now)
      known.renew(lease, leaseMs, now)
      return gate(renew, { lease, leaseMs, now })
    },
    release (lease) {
      if (memory.isUnheld(lease)) return
      if (memory.isLocal(lease)) return local.release(lease)
      known.release(lease)
      return gate(release, lease)
    },
    bind (binding) {
      if (memory.isUnheld(binding.lease)) return undefined
      if (memory.isLocal(binding.lease)) return local.bind(binding)
      known.bind(binding)
      return gate(bind, binding)
    },
    list (holder, rule, now) {
      const own = local.list(holder, rule, now)
      const shared = gate(list, { holder, rule, now })
      return shared instanceof Promise ? shared.then((list) => joined(list, own)) : joined(shared, own)
    },
  }
}

function errandsFor (options: GuardedLeasesOptions) {
  const { remote, memory } = options
  const take: Errand<TakeRequest, TakeResult> = {
    send: (request) => remote.take(request),
    instead: (request, wasSent) => takeWithoutStore(options, request, wasSent),
    arrived (request, { granted }) { if (granted) memory.remember(request, request.now) },
    late ({ breach, now }, { booking }) {
      if (breach !== undefined && booking !== undefined) options.outbox.noteLate(breach, booking, now)
    },
  }
  const renew: Errand<Renewal, void> = {
    send: ({ lease, leaseMs, now }) => remote.renew(lease, leaseMs, now),
    // There is a next time before the lease runs out.
    instead () {},
  }
  const release: Errand<Lease, void> = {
    send: (lease) => remote.release(lease),
    instead: (lease) => memory.keepRelease(lease),
  }
  const bind: Errand<Binding, LeaseRecord | undefined> = {
    send: (binding) => remote.bind(binding),
    instead (binding) {
      memory.keepBinding(binding)
      return memory.known.bind(binding)
    },
  }
  const list: Errand<Look, LeaseList> = {
    send: ({ holder, rule, now }) => remote.list(holder, rule, now),
    instead: ({ holder, rule, now }) => memory.known.list(holder, rule, now),
    arrived: (look, list) => memory.rememberBound(list, look.now),
  }
  return { take, renew, release, bind, list }
}

/** Shared leases and those in process, by the clock of the former. */
function joined (shared: LeaseList, own: LeaseList): LeaseList {
  if (own.records.length === 0) return shared
  return { at: shared.at, records: [...shared.records, ...datedBy(shared.at, own)] }
}

function takeWithoutStore (options: GuardedLeasesOptions, request: TakeRequest, wasSent: boolean): TakeResult {
  const { local, memory, outbox, onDegraded } = options
  const { id, lease, breach, now } = request
  // It may have been granted all the same.
  if (wasSent) memory.keepRelease(lease)
  const outcome = slotWithoutStore(request)
  onDegraded(outcome)
  if (outcome === 'closed') return UNAVAILABLE
  if (outcome === 'open') {
    memory.leaveUnheld(lease)
    return UNHELD
  }
  const result = local.take(request)
  if (breach !== undefined && result.booking !== undefined) outbox.keep({ id, breach, now })
  return result
}
