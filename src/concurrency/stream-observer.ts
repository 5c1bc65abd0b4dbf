import type { IncomingHttpHeaders } from 'node:http'
import { runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import type { AnswerObserver } from '../exchange.js'
import { mediaTypeOf } from '../tap/body-tap.js'
import { BoundLeases, type FollowedStream } from './bound-leases.js'
import { createDecoder, type Decoder } from '../tap/content-coding.js'
import { SseParser, type SseFrame } from '../tap/sse-parser.js'
import type { LeaseStore } from './contract.js'
import { parseJson } from '../parse-json.js'
import { RenewalPace } from './renewal-pace.js'

/** Characters of a frame; longer ones are known by their first member only. */
const maxFrameLength = 256 * 1024
const finalFirst = /^\s*\{\s*"final"\s*:\s*true\s*,/

export interface ObserverParts {
  readonly store: LeaseStore
  readonly clock: Clock
  onError? (error: Error): void
}

/**
 * Watches a backend's stream on which the answer to a message travels: what passes renews the message's lease, the
 * generation's own final or error frame frees it. The stream's mere end proves nothing: viewers leave, connections
 * break, several tabs watch one stream, and the message goes on.
 */
export class StreamObserver implements AnswerObserver {
  readonly #parts: ObserverParts
  readonly #stream: string
  readonly #leases: BoundLeases
  readonly #pace: RenewalPace
  #decoder: Decoder | undefined

  /** To be made before the request is sent on. */
  constructor (parts: ObserverParts, { rule, holder, stream }: FollowedStream) {
    this.#parts = parts
    this.#stream = stream
    this.#leases = new BoundLeases(parts.store, parts.clock, { rule, holder })
    this.#pace = new RenewalPace([rule.leaseMs], parts.clock())
  }

  onHead (status: number, headers: IncomingHttpHeaders): { body: boolean } {
    const follows = status >= 200 && status <= 299 && mediaTypeOf(headers) === 'text/event-stream'
    if (!follows || this.#leases.isEmpty) return { body: false }
    const parser = new SseParser((frame) => this.#onFrame(frame), maxFrameLength)
    this.#decoder = createDecoder(headers['content-encoding'], (bytes) => parser.push(bytes))
    return { body: true }
  }

  onData (chunk: Buffer): void {
    const { clock, onError } = this.#parts
    if (this.#pace.isDue(clock())) runAside(() => this.#leases.renew(this.#stream), onError)
    this.#decoder?.write(chunk)
  }

  onEnd (): void {
    this.#decoder?.end()
    this.#decoder = undefined
  }

  #onFrame (frame: SseFrame): void {
    if (isLast(frame)) runAside(() => this.#leases.release(this.#stream), this.#parts.onError)
  }
}

/** A frame that says that the generation is over: a top-level `final: true`, or an `error` event. */
export function isLast ({ event, data, truncated }: SseFrame): boolean {
  if (event === 'error') return true
  if (event !== '' && event !== 'message') return false
  if (truncated) return finalFirst.test(data)
  if (!data.includes('"final"')) return false
  const value = parseJson(data)
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'final') && Reflect.get(value, 'final') === true
}
