import type { Clock } from '../../clock.js'
import type { Log } from '../../log.js'
import type { Breaker } from './breaker.js'
import { within } from './deadline.js'
import { createRarely, messageOf } from './rarely.js'

const MAX_ITEMS = 10_000
const BATCH = 100
/** Between batches, and before the first: live requests come first, and so do other instances that return. */
const PAUSE_MS = 50
/** When one fails after the other although the store is well (of a Cluster: a part of it). */
const MAX_PAUSE_MS = 5_000
/** Nobody waits for these, so a slow answer is as good as a quick one. */
const PATIENCE_MS = 5_000
/** Sent in vain so often, over half a minute, while the store is well: the item itself is at fault. */
const MAX_ATTEMPTS = 12

export interface OutboxOptions<T> {
  /** What the items are, for the log: `violations`. */
  readonly name: string
  /** Rejects when it must be sent again. */
  send (item: T): unknown
  /** Called each time that everything has been sent. Must not throw. */
  onEmpty? (): void
  readonly breaker: Breaker
  readonly clock: Clock
  readonly log: Log
  /** From 0 to 1. */
  random (): number
  readonly maxItems?: number
  readonly pauseMs?: number
  /** Milliseconds to wait for one answer. */
  readonly patienceMs?: number
}

interface Entry<T> {
  readonly item: T
  attempts: number
}

/**
 * What the shared store must still be told: in order, one after the other, in batches, while the store is there. What
 * fails alone goes behind the others. Bounded: the oldest are given up first.
 */
export class Outbox<T> {
  readonly #options: OutboxOptions<T>
  readonly #entries = new Set<Entry<T>>()
  readonly #tellOfLoss: (error?: unknown) => void
  #dropped = 0
  #failures = 0
  #sending: Promise<void> | undefined
  #isEnded = false
  #timer: NodeJS.Timeout | undefined

  constructor (options: OutboxOptions<T>) {
    const { name, breaker, clock, log } = options
    this.#options = options
    this.#tellOfLoss = createRarely((count, error) => {
      log.error({ count, reason: messageOf(error) }, `Some ${name} were given up before the shared store could be told of them`)
    }, clock)
    breaker.onChange(({ isOpen }) => { if (!isOpen) this.#sendSoon() })
  }

  get length (): number { return this.#entries.size }

  /** Items given up since the start. */
  get dropped (): number { return this.#dropped }

  /** All that wait, oldest first; the one under way is among them. */
  * waiting (): Iterable<T> {
    for (const { item } of this.#entries) yield item
  }

  put (item: T): void {
    this.#entries.add({ item, attempts: 0 })
    const [oldest] = this.#entries
    if (oldest !== undefined && this.#entries.size > (this.#options.maxItems ?? MAX_ITEMS)) this.#giveUp(oldest)
    this.#sendSoon()
  }

  /** Sends what it can within the time, without pauses, then nothing more. Answers how many are left. Never rejects. */
  async close (withinMs: number): Promise<number> {
    this.#isEnded = true
    clearTimeout(this.#timer)
    await within(withinMs, () => this.#sendRest(performance.now() + withinMs)).catch(() => {})
    return this.#entries.size
  }

  #sendSoon (): void {
    const { breaker, random, pauseMs = PAUSE_MS } = this.#options
    if (this.#isEnded || this.#sending !== undefined || this.#timer !== undefined) return
    if (breaker.isOpen || this.#entries.size === 0) return
    const delayMs = Math.min(pauseMs * 2 ** this.#failures, MAX_PAUSE_MS) * (0.5 + random())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#sending = this.#sendBatch().then(() => this.#sent())
    }, delayMs).unref()
  }

  async #sendBatch (): Promise<void> {
    for (let sent = 0; sent < BATCH && this.#canSend(); sent++) {
      if (!await this.#sendFirst()) break
    }
  }

  #sent (): void {
    this.#sending = undefined
    if (this.#entries.size === 0) this.#options.onEmpty?.()
    else this.#sendSoon()
  }

  async #sendRest (end: number): Promise<void> {
    await this.#sending
    while (this.#entries.size > 0 && !this.#options.breaker.isOpen && performance.now() < end) {
      if (!await this.#sendFirst()) break
    }
  }

  #canSend (): boolean {
    return this.#entries.size > 0 && !this.#options.breaker.isOpen && !this.#isEnded
  }

  async #sendFirst (): Promise<boolean> {
    const [entry] = this.#entries
    if (entry === undefined) return false
    try {
      await within(this.#options.patienceMs ?? PATIENCE_MS, async () => await this.#options.send(entry.item))
      this.#entries.delete(entry)
      this.#failures = 0
      return true
    } catch (error) {
      await this.#failed(entry, error)
      return false
    }
  }

  /** Whose fault it was shows when the store is probed. */
  async #failed (entry: Entry<T>, error: unknown): Promise<void> {
    const { breaker } = this.#options
    await breaker.check()
    if (breaker.isOpen) return
    this.#failures++
    if (++entry.attempts >= MAX_ATTEMPTS) this.#giveUp(entry, error)
    // It may have been given up meanwhile, as the oldest.
    else if (this.#entries.delete(entry)) this.#entries.add(entry)
  }

  #giveUp (entry: Entry<T>, error?: unknown): void {
    if (!this.#entries.delete(entry)) return
    this.#dropped++
    this.#tellOfLoss(error)
  }
}
