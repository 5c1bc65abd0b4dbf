import { chain } from '../chain.js'
import type { Clock } from '../clock.js'
import type { ConcurrencyRule } from '../policy/contract.js'
import type { LeaseList, LeaseRecord, LeaseStore } from './contract.js'

/** A backend's stream, whose message it is, and the rule that counts it. */
export interface FollowedStream {
  readonly rule: ConcurrencyRule
  readonly holder: string
  readonly stream: string
}

/**
 * The leases that a request about streams can speak for: those that were bound before it went to the backend.
 * An older stream that is replayed, or an abort that overlaps a new message, knows nothing of later ones.
 */
export class BoundLeases {
  readonly #store: LeaseStore
  readonly #clock: Clock
  readonly #rule: ConcurrencyRule
  readonly #holder: string
  readonly #atOpening: Look

  /** To be made before the request is sent on. */
  constructor (store: LeaseStore, clock: Clock, { rule, holder }: Omit<FollowedStream, 'stream'>) {
    this.#store = store
    this.#clock = clock
    this.#rule = rule
    this.#holder = holder
    this.#atOpening = lookUp(() => store.list(holder, rule.name, clock()))
  }

  /** True when it is known already that there is nothing to speak for. */
  get isEmpty (): boolean {
    return !(this.#atOpening instanceof Promise) && this.#atOpening.records.length === 0
  }

  release (stream: string): void | Promise<void> {
    return this.#forEach(stream, (record) => this.#store.release(record))
  }

  renew (stream: string): void | Promise<void> {
    return this.#forEach(stream, (record) => this.#store.renew(record, this.#rule.leaseMs, this.#clock()))
  }

  #forEach (stream: string, act: (record: LeaseRecord) => void | Promise<void>): void | Promise<void> {
    return chain(this.#atOpening, (early) => {
      const earlyIds = new Set(early.records.map(({ id }) => id))
      return chain(this.#store.list(this.#holder, this.#rule.name, this.#clock()), ({ records }) => {
        const pending: Promise<void>[] = []
        for (const record of records) {
          if (record.stream !== stream || !(earlyIds.has(record.id) || isOlder(record, early))) continue
          const done = act(record)
          if (done instanceof Promise) pending.push(done)
        }
        if (pending.length > 0) return Promise.all(pending).then(() => {})
      })
    })
  }
}

type Look = LeaseList | Promise<LeaseList>

/** A look that fails is told to whoever needs its outcome, not to whoever opens a stream. */
function lookUp (list: () => Look): Look {
  let look: Look
  try {
    look = chain(list(), keepBound)
  } catch (error) {
    look = Promise.reject(error instanceof Error ? error : new Error(String(error)))
  }
  if (look instanceof Promise) look.catch(() => {})
  return look
}

function keepBound ({ at, records }: LeaseList): LeaseList {
  return { at, records: records.filter(({ stream }) => stream !== undefined) }
}

/**
 * For bindings that the store made known after our first look, though it had made them before: both instants are of the
 * store's own clock, which instances share.
 */
function isOlder ({ boundAt }: LeaseRecord, { at }: LeaseList): boolean {
  return boundAt !== undefined && boundAt < at
}
