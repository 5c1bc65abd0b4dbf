/**
 * Violations that only the backend's answer shows: it names a model that the account may not use, and the backend says
 * so in words of its own (reference librechat.md §1.2, illegal model). The answer is read in passing, decoded, up to a
 * bound, and neither waits nor changes; what it shows is booked once it has passed.
 */
import { runAside } from '../chain.js'
import type { AnswerObserver, Exchange, ObserveAnswer } from '../exchange.js'
import type { PricedRule } from '../violations/contract.js'
import { createSignReader, type SignReader } from './sign-reader.js'
import type { OutcomeRule } from './contract.js'

/**
 * How long a violation waits for the end of its answer: a ban closes what its user has open, and the answer that
 * brought it is to arrive whole. One that never ends is waited for no longer.
 */
const GRACE_MS = 1000

export interface OutcomesOptions {
  readonly rules: readonly OutcomeRule[]
  /** Books a violation; never rejects. */
  book (exchange: Exchange, rule: PricedRule): unknown
  onError (error: Error): void
}

/** Looks for what the rules describe in the answers to verified users; nobody else is scored for them. */
export function createOutcomeObserver ({ rules, book, onError }: OutcomesOptions): ObserveAnswer {
  const priced = new Map(rules.map((rule) => [rule, priceOf(rule)]))
  return (exchange) => {
    if (exchange.identity.user === undefined || exchange.exempt) return undefined
    return new OutcomeObserver(rules, (rule) => {
      runAside(() => book(exchange, priced.get(rule) as PricedRule), onError)
    })
  }
}

function priceOf ({ name, violation, score, observe }: OutcomeRule): PricedRule {
  return { rule: name, type: violation, score, observe }
}

class OutcomeObserver implements AnswerObserver {
  readonly #rules: readonly OutcomeRule[]
  readonly #book: (rule: OutcomeRule) => void
  readonly #shown = new Set<OutcomeRule>()
  #reader: SignReader | undefined
  #isOver = false
  #grace: NodeJS.Timeout | undefined

  constructor (rules: readonly OutcomeRule[], book: (rule: OutcomeRule) => void) {
    this.#rules = rules
    this.#book = book
  }

  onHead (status: number, headers: Parameters<AnswerObserver['onHead']>[1]): { body: boolean } {
    const possible = this.#rules.filter(({ when }) => when.status.length === 0 || when.status.includes(status))
    this.#reader = createSignReader(possible, headers, (rule) => { this.#note(rule) })
    return { body: this.#reader !== undefined }
  }

  onData (chunk: Buffer): void {
    this.#reader?.push(chunk)
  }

  onEnd (): void {
    // Compressed answers are read to their end a little later; what they show then is booked at once.
    this.#isOver = true
    this.#reader?.end()
    this.#settle()
  }

  #note (rule: OutcomeRule): void {
    this.#shown.add(rule)
    if (this.#isOver) this.#settle()
    else this.#grace ??= setTimeout(() => { this.#settle() }, GRACE_MS).unref()
  }

  #settle (): void {
    clearTimeout(this.#grace)
    this.#grace = undefined
    for (const rule of this.#shown) this.#book(rule)
    this.#shown.clear()
  }
}
