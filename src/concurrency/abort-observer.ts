import type { IncomingHttpHeaders } from 'node:http'
import { runAside } from '../chain.js'
import type { AnswerObserver } from '../exchange.js'
import { BodyTap } from '../tap/body-tap.js'
import { BoundLeases, type FollowedStream } from './bound-leases.js'
import { followPointer } from '../json-pointer.js'
import type { ObserverParts } from './stream-observer.js'

const maxAnswerBytes = 64 * 1024

/** Watches the answer to an abort: a 2xx that names the aborted stream frees the holder's slots on it. */
export class AbortObserver implements AnswerObserver {
  readonly #parts: ObserverParts
  readonly #pointer: readonly string[]
  readonly #leases: BoundLeases
  #tap: BodyTap | undefined

  /** To be made before the request is sent on. */
  constructor (parts: ObserverParts, { rule, holder }: Omit<FollowedStream, 'stream'>, pointer: readonly string[]) {
    this.#parts = parts
    this.#pointer = pointer
    this.#leases = new BoundLeases(parts.store, parts.clock, { rule, holder })
  }

  onHead (status: number, headers: IncomingHttpHeaders): { body: boolean } {
    const isSuccess = status >= 200 && status <= 299
    if (isSuccess && !this.#leases.isEmpty) this.#tap = new BodyTap(headers, maxAnswerBytes)
    return { body: this.#tap !== undefined }
  }

  onData (chunk: Buffer): void {
    this.#tap?.push(chunk)
    if (this.#tap?.isWhole === true) this.#settle()
  }

  /** Also when the client left: what came of the answer holds. */
  onEnd (): void {
    this.#settle()
  }

  #settle (): void {
    const reading = this.#tap?.read()
    this.#tap = undefined
    if (reading?.kind !== 'json') return
    const stream = followPointer(reading.value, this.#pointer)
    if (typeof stream === 'string') runAside(() => this.#leases.release(stream), this.#parts.onError)
  }
}
