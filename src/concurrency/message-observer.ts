import type { IncomingHttpHeaders } from 'node:http'
import { chain, runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import type { AnswerObserver, Exchange } from '../exchange.js'
import { BodyTap, mediaTypeOf } from '../tap/body-tap.js'
import type { LeaseStore } from './contract.js'
import { sequelOf, type Outcome } from './message-answer.js'
import type { HeldLease, Message, MessageBook } from './message.js'
import { RenewalPace } from './renewal-pace.js'

const maxAnswerBytes = 64 * 1024
/** How long a message still counts whose client left before the answer came, at most. */
const orphanMs = 60_000

export interface MessageParts {
  readonly store: LeaseStore
  readonly book: MessageBook
  readonly clock: Clock
  refund (exchange: Exchange): void | Promise<void>
  onError? (error: Error): void
}

/**
 * Watches the answer to a message that holds slots, and settles them:
 * - `release: response`: free when the answer ends, however it ends;
 * - `release: stream`: bound to the stream that the answer names; free when it names none, refuses or fails.
 *
 * A client that leaves before the answer has named its stream does not free the slot at once: such a backend has
 * begun to work and does not stop for a closed connection, so that leaving early would be a way around the limit.
 * The slot then counts for another minute (or one lease, if that is shorter) and runs out.
 */
export class MessageObserver implements AnswerObserver {
  readonly #parts: MessageParts
  readonly #exchange: Exchange
  readonly #message: Message
  readonly #pace: RenewalPace
  #tap: BodyTap | undefined
  #isEventStream = false
  #isRefunded = false

  constructor (parts: MessageParts, exchange: Exchange, message: Message) {
    this.#parts = parts
    this.#exchange = exchange
    this.#message = message
    this.#pace = new RenewalPace(message.held.map(({ rule }) => rule.leaseMs), parts.clock())
  }

  onHead (status: number, headers: IncomingHttpHeaders): { body: boolean } {
    if (status < 200 || status > 299) this.#followed().forEach((item) => this.#giveBack(item))
    this.#isEventStream = mediaTypeOf(headers) === 'text/event-stream'
    if (!this.#isEventStream && this.#followed().length > 0) this.#tap = new BodyTap(headers, maxAnswerBytes)
    return { body: this.#message.held.length > 0 }
  }

  onData (chunk: Buffer): void {
    if (this.#pace.isDue(this.#parts.clock())) this.#message.held.forEach((item) => this.#renew(item))
    this.#tap?.push(chunk)
    if (this.#tap?.isWhole === true) this.#settleFollowed('complete')
  }

  onEnd (outcome: Outcome): void {
    this.#settleFollowed(outcome)
    this.#message.held.forEach((item) => this.#giveBack(item))
  }

  /** As soon as the answer is whole, so that a stream opened by whoever read it finds its lease bound. */
  #settleFollowed (outcome: Outcome): void {
    const answer = { reading: this.#tap?.read(), isEventStream: this.#isEventStream }
    this.#tap = undefined
    for (const item of this.#followed()) {
      const sequel = sequelOf(item.rule, outcome, answer)
      if (sequel.kind === 'ended') {
        this.#giveBack(item)
        continue
      }
      if (sequel.kind === 'follow') this.#bind(item, sequel.stream)
      if (sequel.kind === 'orphan') this.#renew(item, Math.min(item.rule.leaseMs, orphanMs))
      this.#parts.book.letGo(this.#message, item)
    }
  }

  /** A repetition of a message that is running already gives its slot and its charges back. */
  #bind ({ lease, rule, repeatKey }: HeldLease, stream: string): void {
    const { store, clock, onError } = this.#parts
    runAside(() => chain(store.bind({ lease, stream, repeatKey, now: clock() }), (original) => {
      if (original === undefined) return store.renew(lease, rule.leaseMs, clock())
      return chain(store.release(lease), () => {
        if (this.#isRefunded) return
        this.#isRefunded = true
        return this.#parts.refund(this.#exchange)
      })
    }), onError)
  }

  #renew ({ lease, rule }: HeldLease, leaseMs: number = rule.leaseMs): void {
    runAside(() => this.#parts.store.renew(lease, leaseMs, this.#parts.clock()), this.#parts.onError)
  }

  #giveBack (item: HeldLease): void {
    this.#parts.book.giveBack(this.#message, item)
  }

  #followed (): readonly HeldLease[] {
    return this.#message.held.filter(({ rule }) => rule.release === 'stream')
  }
}
