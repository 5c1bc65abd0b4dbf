/**
 * The concurrency room: a slot (lease) per message in flight. `check` takes it before the message is forwarded, the
 * observers give it back when the answers say that the work is over, and a lease that nobody hears of runs out.
 */
import type { Clock } from '../clock.js'
import type { AnswerObserver, Check, Exchange, ObserveAnswer } from '../exchange.js'
import type { ConcurrencyRule, ReleaseRule } from '../policy/contract.js'
import type { Violations } from '../violations/violations.js'
import { AbortObserver } from './abort-observer.js'
import { createFreeEnded, type ActiveAnswer } from './active.js'
import { createDesk } from './check.js'
import type { LeaseRecord, LeaseStore, SlotDesk } from './contract.js'
import { holderSpokenFor } from './holder.js'
import { createMessageBook } from './message.js'
import { MessageObserver } from './message-observer.js'
import { streamNameOf } from './stream-name.js'
import { StreamObserver } from './stream-observer.js'

export interface ConcurrencyOptions {
  readonly store: LeaseStore
  /**
   * Asks the backend for its list of running streams with the caller's credentials (`path` is the policy's).
   * To be bounded in time (1 s) and size by the implementer; undefined or a rejection: no usable answer.
   */
  askActive (exchange: Exchange, path: string): Promise<ActiveAnswer | undefined>
  /** Finishes the violation that the store has booked with a refusal. */
  readonly violations: Pick<Violations, 'settle'>
  /** Takes this exchange's limiter charges back: it turned out to repeat a message that is running. */
  refund (exchange: Exchange): void | Promise<void>
  readonly clock: Clock
  /** A new id for a lease or a violation, unique over all instances. */
  newId (): string
  /** Told what the store failed to do. A lease that could not be settled runs out. */
  onError? (error: Error): void
}

export interface Concurrency {
  /**
   * Takes a slot per concurrency rule of the plan. A rule keyed by user does not apply without a verified user.
   * Where the store fails, the request is refused with 503. Never rejects.
   */
  readonly check: Check
  /** The same in the step in which the limiters decide. */
  readonly desk: SlotDesk
  /** Gives back what an exchange holds that will not be forwarded after all. Harmless at any time, any number of times. */
  release (exchange: Exchange): void
  /** For the message itself. */
  readonly observeMessage: ObserveAnswer
  /** For requests that a policy says may free slots: picks one of the next two. To be compiled once per rule. */
  observeRelease (release: ReleaseRule): ObserveAnswer
  /** For a request that opens the backend's stream `stream`. Call before it is sent on, as the next. */
  observeStream (exchange: Exchange, rule: ConcurrencyRule, stream: string): AnswerObserver | undefined
  /** For a request that asks the backend to abort a message. */
  observeAbort (exchange: Exchange, rule: ConcurrencyRule): AnswerObserver | undefined
  /** Live leases of a holder under these rules; a look, it changes nothing. */
  leasesOf (holder: string, rules: Iterable<ConcurrencyRule>): Promise<readonly LeaseRecord[]>
}

export function createConcurrency (options: ConcurrencyOptions): Concurrency {
  const { store, clock } = options
  const book = createMessageBook(store, options.onError)
  const freeEnded = createFreeEnded(options)
  const desk = createDesk({ ...options, book, freeEnded })
  const messageParts = { ...options, book }

  const observeStream: Concurrency['observeStream'] = ({ identity }, rule, stream) => {
    const holder = holderSpokenFor(rule, identity)
    return holder === undefined ? undefined : new StreamObserver(options, { rule, holder, stream })
  }
  const observeAbort: Concurrency['observeAbort'] = ({ identity }, rule) => {
    const holder = holderSpokenFor(rule, identity)
    const pointer = rule.stream?.aborted
    if (holder === undefined || pointer === undefined) return undefined
    return new AbortObserver(options, { rule, holder }, pointer)
  }
  return {
    check: desk.check,
    desk,
    release (exchange) {
      const message = book.find(exchange)
      if (message !== undefined) book.giveBackAll(message)
    },
    observeMessage (exchange) {
      const message = book.find(exchange)
      if (message === undefined || message.held.length === 0) return undefined
      return new MessageObserver(messageParts, exchange, message)
    },
    observeRelease: ({ rule, on, param }) => (exchange) => {
      if (on === 'abort') return observeAbort(exchange, rule)
      const stream = streamNameOf(exchange.target, param === undefined ? undefined : exchange.params[param])
      return stream === undefined ? undefined : observeStream(exchange, rule, stream)
    },
    observeStream,
    observeAbort,
    async leasesOf (holder, rules) {
      const lists = [...rules].map(async (rule) => (await store.list(holder, rule.name, clock())).records)
      return (await Promise.all(lists)).flat()
    },
  }
}
