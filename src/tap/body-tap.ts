import type { IncomingHttpHeaders } from 'node:http'
import { codingsOf, decodeWhole } from './content-coding.js'
import { parseJson } from '../parse-json.js'

/** What a short answer said. `unknown`: too long for us, or in a coding that we do not read. */
export type TapReading =
  | { readonly kind: 'json', readonly value: unknown }
  | { readonly kind: 'not-json' }
  | { readonly kind: 'unknown' }

/**
 * Listens in on an answer's body, up to a bound, and reads it as JSON when asked. Reading is synchronous, so that
 * what the answer says is known before the client that got it can act on it; the bound keeps that short.
 */
export class BodyTap {
  readonly #coding: string | undefined
  readonly #length: number
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #bytes = 0

  /** `maxBytes` bounds the body as it came and as decoded. */
  constructor (headers: IncomingHttpHeaders, maxBytes: number) {
    this.#coding = headers['content-encoding']
    this.#length = Number(headers['content-length'] ?? Number.NaN)
    this.#maxBytes = maxBytes
  }

  /** The announced length has come. */
  get isWhole (): boolean {
    return this.#bytes === this.#length
  }

  push (chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes <= this.#maxBytes) this.#chunks.push(chunk)
    else this.#chunks = []
  }

  /** Never throws. */
  read (): TapReading {
    const applied = codingsOf(this.#coding)
    if (this.#bytes > this.#maxBytes || applied === undefined) return { kind: 'unknown' }
    try {
      const text = decodeWhole(Buffer.concat(this.#chunks), applied, this.#maxBytes).toString('utf8')
      const value = parseJson(text)
      return value === undefined ? { kind: 'not-json' } : { kind: 'json', value }
    } catch (error) {
      return { kind: isTooLarge(error) ? 'unknown' : 'not-json' }
    }
  }
}

/** The media type alone, lower case; empty when there is none. */
export function mediaTypeOf (headers: IncomingHttpHeaders): string {
  const type = headers['content-type'] ?? ''
  const end = type.indexOf(';')
  return (end === -1 ? type : type.slice(0, end)).trim().toLowerCase()
}

function isTooLarge (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
}
