import type { Concurrency } from '../concurrency/concurrency.js'
import type { Deliveries } from '../deliveries/deliveries.js'
import type { Exchange } from '../exchange.js'
import type { TokenLedger } from '../tokens/tokens.js'
import type { Verdict } from '../verdict/verdict.js'

export interface HeldOptions {
  readonly concurrency: Pick<Concurrency, 'release'>
  readonly deliveries: Pick<Deliveries, 'release' | 'giveUp'>
  readonly tokens: Pick<TokenLedger, 'giveBack'>
}

/** What a request holds that never reaches the backend: slots, tokens, the place of a delivery. All of it goes back, once. */
export interface Held {
  /** It is answered in the backend's place. */
  refused (exchange: Exchange, verdict: Verdict): void
  /** It gets no answer: its client has left, or a defect of ours ended it. */
  gone (exchange: Exchange): void
}

export function createHeld ({ concurrency, deliveries, tokens }: HeldOptions): Held {
  function gone (exchange: Exchange): void {
    concurrency.release(exchange)
    tokens.giveBack(exchange)
    deliveries.giveUp(exchange)
  }
  return {
    gone,
    refused (exchange, verdict) {
      // What was refused is not delivered again. A fault is no answer to a delivery: it will come again.
      if (verdict.kind !== 'fault') deliveries.release(exchange)
      gone(exchange)
    },
  }
}
