/** Settles what requests reserved: by what their answers cost, or back to whom it came from. */
import { runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import type { AnswerObserver, Exchange, ObserveAnswer } from '../exchange.js'
import type { CounterStore } from '../limits/contract.js'
import { settleState } from '../limits/limits.js'
import { answerReaders, type AnswerReader, type AnswerReaders, type AnswerReading } from './answer-reader.js'
import type { TokenRule } from './contract.js'
import { reservationOf } from './reserve.js'

export interface LedgerOptions {
  readonly store: Pick<CounterStore, 'charge' | 'refund'>
  readonly clock: Clock
  /** Told of every limiter what the answers were reserved, and what they cost. */
  readonly metrics: { tokens (limiter: string, tokens: { reserved: number, settled: number }): void }
  /** Told what the store failed to do. */
  onStoreError (error: Error): void
}

export interface TokenLedger {
  /**
   * The request gets no answer, or one that costs nothing: everything goes back. Once, however often it is called, and
   * for good: what is settled later changes nothing any more.
   */
  giveBack (exchange: Exchange): void
  /** Settles each request by its answer. */
  observe (rules: readonly TokenRule[]): ObserveAnswer
}

type Outcome = Parameters<AnswerObserver['onEnd']>[0]

/** What of a reservation stands. */
interface Settled {
  readonly tokens: number
  readonly isFinal: boolean
}

export function createTokenLedger ({ store, clock, metrics, onStoreError }: LedgerOptions): TokenLedger {
  const book = new WeakMap<Exchange, Settled>()

  function settle (exchange: Exchange, tokens: number, isFinal: boolean): void {
    const { decision } = exchange
    if (decision === undefined || reservationOf(exchange) === undefined) return
    const before = book.get(exchange)
    if (before?.isFinal === true) return
    book.set(exchange, { tokens, isFinal })
    decision.states.forEach(({ limiter, charged }, index) => {
      if (limiter.tokens === undefined || charged === 0) return
      metrics.tokens(limiter.name, before === undefined
        ? { reserved: charged, settled: tokens }
        : { reserved: 0, settled: Math.max(0, tokens - before.tokens) })
      const from = before?.tokens ?? charged
      runAside(() => settleState(decision, index, { store, clock, from, to: tokens }), onStoreError)
    })
  }

  return {
    giveBack: (exchange) => { settle(exchange, 0, true) },
    observe: (rules) => {
      const createReader = answerReaders(rules.map(({ places }) => places))
      return (exchange) => {
        const reserved = reservationOf(exchange)
        if (reserved === undefined) return undefined
        return new TokenObserver(createReader, (read) => {
          const used = read === 'none' ? 0 : costOf(read.reading, read.outcome, reserved.prompt)
          settle(exchange, used ?? reserved.tokens, used === 0)
        })
      }
    },
  }
}

/** `none`: there was no answer, or only an error. */
type Settle = (read: { readonly reading: AnswerReading, readonly outcome: Outcome } | 'none') => void

class TokenObserver implements AnswerObserver {
  readonly #createReader: AnswerReaders
  readonly #settle: Settle
  #reader: AnswerReader | undefined

  constructor (createReader: AnswerReaders, settle: Settle) {
    this.#createReader = createReader
    this.#settle = settle
  }

  onHead (status: number, headers: Parameters<AnswerObserver['onHead']>[1]): { body: boolean } {
    const isAnswer = status >= 200 && status <= 299
    if (isAnswer) this.#reader = this.#createReader(headers)
    return { body: isAnswer }
  }

  onData (chunk: Buffer): void {
    this.#reader?.push(chunk)
  }

  onEnd (outcome: Outcome): void {
    if (this.#reader === undefined) this.#settle('none')
    else this.#reader.end((reading) => { this.#settle({ reading, outcome }) })
  }
}

/**
 * What an answer cost. One that was cut costs its prompt and what came of it; one that tells nothing about itself what
 * was reserved for it: undefined. 0: nothing of it came.
 */
function costOf (
  { input, output, stream, hasBegun }: AnswerReading, outcome: Outcome, prompt: number
): number | undefined {
  const isWhole = outcome === 'complete'
  if (!hasBegun && !isWhole) return outcome === 'aborted' ? prompt : 0
  if (stream === undefined) {
    return input === undefined && output === undefined ? undefined : (input ?? prompt) + (output ?? 0)
  }
  if (output !== undefined) return (input ?? prompt) + output + stream.tokens
  if (isWhole && stream.tokens === 0) return undefined
  // Hardly any event brings less than a token.
  return (input ?? prompt) + (isWhole ? stream.tokens : Math.max(stream.tokens, stream.events))
}
