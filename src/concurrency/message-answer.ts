import { hash } from 'node:crypto'
import type { Exchange } from '../exchange.js'
import type { ConcurrencyRule } from '../policy/contract.js'
import type { TapReading } from '../tap/body-tap.js'
import { followPointer } from '../json-pointer.js'

/** Longer names of streams and messages are not kept. */
const maxNameLength = 256

export type Outcome = 'complete' | 'aborted' | 'failed'

/**
 * Where a message goes on, after its answer:
 * `follow`: on the stream that the answer names; `ended`: nowhere, the answer was all or there is none;
 * `orphan`: perhaps somewhere, the client left before we could know; `unknown`: somewhere, but we cannot tell where.
 */
export type Sequel =
  | { readonly kind: 'follow', readonly stream: string }
  | { readonly kind: 'ended' | 'orphan' | 'unknown' }

export interface MessageAnswer {
  /** Undefined when no head came, or one that announced an event stream. */
  readonly reading: TapReading | undefined
  readonly isEventStream: boolean
}

export function sequelOf (rule: ConcurrencyRule, outcome: Outcome, { reading, isEventStream }: MessageAnswer): Sequel {
  if (reading?.kind === 'json') {
    const id = followPointer(reading.value, rule.stream?.id ?? [])
    if (typeof id !== 'string' || id === '') return { kind: 'ended' }
    return id.length > maxNameLength ? { kind: 'unknown' } : { kind: 'follow', stream: id }
  }
  if (outcome === 'failed' || isEventStream) return { kind: 'ended' }
  if (reading?.kind === 'unknown') return { kind: 'unknown' }
  return { kind: outcome === 'aborted' ? 'orphan' : 'ended' }
}

/** What the client calls this message; undefined when it gives it no usable name. */
export function repeatKeyOf (exchange: Exchange, rule: ConcurrencyRule): string | undefined {
  const pointer = rule.stream?.repeat
  if (pointer === undefined) return undefined
  const key = followPointer(exchange.json, pointer)
  if (typeof key !== 'string' || key === '' || key.length > maxNameLength) return undefined
  // The name alone proves nothing: only the same message under the same name is a repetition.
  return `${key} ${hash('sha256', exchange.body ?? '', 'base64url')}`
}
