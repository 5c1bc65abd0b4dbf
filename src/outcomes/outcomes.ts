/**
 * Violations that only the backend's answer shows: it names a model that the account may not use, and the backend says
 * so in words of its own (reference librechat.md §1.2, illegal model). The answer is read in passing, decoded, up to a
 * bound, and neither waits nor changes; what it shows is booked once it has passed, or soon after its sign.
 */
import { runAside } from '../chain.js'
import type { AnswerObserver, Exchange, ObserveAnswer } from '../exchange.js'
import type { PricedRule } from '../violations/contract.js'
import { createSignReader, type BodyRules, type SignReader } from './sign-reader.js'
import type { OutcomeRule } from './contract.js'

/**
 * How long a violation waits for the end of its answer: a ban closes what its user has open, and an answer that ends
 * within that time of its sign arrives whole. One that goes on is not spared: it may never end.
 */
const GRACE_MS = 1000

/** What to look for in an answer. */
interface Wanted {
  /** Shown by the head alone. */
  readonly head: readonly OutcomeRule[]
  readonly body: BodyRules
}

export interface OutcomesOptions {
  readonly rules: readonly OutcomeRule[]
  /** Books a violation; never rejects. */
  book (exchange: Exchange, rule: PricedRule): unknown
  onError (error: Error): void
}

/** Looks for what the rules describe in the answers to verified users; nobody else is scored for them. */
export function createOutcomeObserver ({ rules, book, onError }: OutcomesOptions): ObserveAnswer {
  const priced = new Map(rules.map((rule) => [rule, priceOf(rule)]))
  const wantedAt = sortByStatus(rules)
  return (exchange) => {
    if (exchange.identity.user === undefined || exchange.exempt) return undefined
    return new OutcomeObserver(wantedAt, (rule) => {
      runAside(() => book(exchange, priced.get(rule) as PricedRule), onError)
    })
  }
}

function priceOf ({ name, violation, score, observe }: OutcomeRule): PricedRule {
  return { rule: name, type: violation, score, observe }
}

type WantedAt = (status: number) => Wanted

/** What to look for in answers of a status: sorted when the first of them comes. */
function sortByStatus (rules: readonly OutcomeRule[]): WantedAt {
  const sorted = new Map<number, Wanted>()
  return (status) => {
    let wanted = sorted.get(status)
    if (wanted === undefined) sorted.set(status, wanted = sort(rules, status))
    return wanted
  }
}

function sort (rules: readonly OutcomeRule[], status: number): Wanted {
  const possible = rules.filter(({ when }) => when.status.length === 0 || when.status.includes(status))
  const isEvent = ({ when }: OutcomeRule): boolean => when.event !== undefined
  const unnamed = possible.filter((rule) => !isEvent(rule))
  return {
    head: unnamed.filter(({ when }) => when.value === undefined),
    body: { events: possible.filter(isEvent), documents: unnamed.filter(({ when }) => when.value !== undefined) },
  }
}

class OutcomeObserver implements AnswerObserver {
  readonly #wantedAt: WantedAt
  readonly #book: (rule: OutcomeRule) => void
  readonly #shown = new Set<OutcomeRule>()
  #reader: SignReader | undefined
  #isOver = false
  #grace: NodeJS.Timeout | undefined

  constructor (wantedAt: WantedAt, book: (rule: OutcomeRule) => void) {
    this.#wantedAt = wantedAt
    this.#book = book
  }

  onHead (status: number, headers: Parameters<AnswerObserver['onHead']>[1]): { body: boolean } {
    const { head, body } = this.#wantedAt(status)
    for (const rule of head) this.#note(rule)
    this.#reader = createSignReader(body, headers, (rule) => { this.#note(rule) })
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
