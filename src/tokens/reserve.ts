import type { Exchange } from '../exchange.js'
import { followPointer } from '../json-pointer.js'
import type { Limiter } from '../limits/contract.js'
import { promptOf } from '../prompt/prompt.js'
import type { Edit } from '../rewriting/contract.js'
import { answersOf, capsOf, numberedTokens, writeAt } from './caps.js'
import { MOST_TOKENS, type TokenPlaces, type TokenRule } from './contract.js'
import { estimateBytes, estimateTexts } from './estimate.js'

/** What a request is taken to cost until its answer tells. */
export interface Reservation {
  /** Tokens of prompt and answers, a whole number from 1. */
  readonly tokens: number
  /** Those of the prompt among them. */
  readonly prompt: number
}

export interface ReserveOptions {
  readonly rules: readonly TokenRule[]
  /** The route's; those that count requests are not looked at. */
  readonly limiters: readonly Limiter[]
}

/** Reckons once what a request costs at most, and notes in `exchange.edits` the cap that makes it so. */
export type Reserve = (exchange: Exchange) => Reservation

const reservations = new WeakMap<Exchange, Reservation>()

/** What was reserved for this request; undefined: nothing. */
export function reservationOf (exchange: Exchange): Reservation | undefined {
  return reservations.get(exchange)
}

/** Undefined: none of the limiters counts tokens. */
export function createReserve ({ rules, limiters }: ReserveOptions): Reserve | undefined {
  const reserves = (observe: boolean) => limiters.flatMap((one) => one.observe === observe ? one.tokens ?? [] : [])
  const enforced = reserves(false)
  const all = enforced.length > 0 ? enforced : reserves(true)
  if (all.length === 0) return undefined
  // The strictest cap serves them all. What only observes changes no body.
  const cap = Math.min(...all.map(({ maxTokens }) => maxTokens))
  const terms = { cap, includeUsage: all.some(({ includeUsage }) => includeUsage), edits: enforced.length > 0 }
  return (exchange) => {
    let reservation = reservations.get(exchange)
    if (reservation === undefined) reservations.set(exchange, reservation = reckon(exchange, rules, terms))
    return reservation
  }
}

interface Terms {
  readonly cap: number
  readonly includeUsage: boolean
  readonly edits: boolean
}

/** Where several rules hold, the dearest. */
function reckon (exchange: Exchange, rules: readonly TokenRule[], terms: Terms): Reservation {
  let dearest: Reservation = { tokens: 1, prompt: 0 }
  for (const { places, prompt: rule } of rules) {
    const prompt = Math.min(estimateOf(exchange, { places, prompt: rule }), MOST_TOKENS)
    const { asked, isPlain, invalid } = capsOf(exchange.json, places)
    const cap = isPlain ? asked ?? terms.cap : Math.max(asked ?? 0, terms.cap)
    const tokens = Math.min(prompt + cap * answersOf(exchange.json, places), MOST_TOKENS)
    if (tokens > dearest.tokens) dearest = { tokens, prompt }
    // No answer belongs to a frame, and nothing would be gained by changing it.
    if (terms.edits && !exchange.upgrade && isMap(exchange.json)) {
      exchange.edits.push(...capEdits(exchange.json, { places, cap: isPlain ? undefined : terms.cap, invalid }))
      if (terms.includeUsage) exchange.edits.push(...usageEdits(exchange.json, places))
    }
  }
  return dearest
}

function estimateOf ({ json, fields, body }: Exchange, { places, prompt }: TokenRule): number {
  if (prompt === undefined) return estimateBytes(json === undefined ? body?.length ?? 0 : lengthOf(json))
  const texts = estimateTexts(promptOf({ json, fields }, prompt, 'all').flat())
  const more = places.more.map((pointer) => followPointer(json, pointer)).filter((value) => value !== undefined)
  const others = more.reduce<number>((sum, value) => sum + estimateBytes(lengthOf(value)), 0)
  return texts + numberedTokens(json, places) + others
}

/** A coded body is longer than it looks. */
function lengthOf (value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

interface Capping {
  readonly places: TokenPlaces
  /** Undefined: the client's own stands. */
  readonly cap: number | undefined
  readonly invalid: readonly (readonly string[])[]
}

function capEdits (json: object, { places: { write }, cap, invalid }: Capping): Edit[] {
  const isWritten = (pointer: readonly string[]) => cap !== undefined && pointer.join('/') === write?.join('/')
  return [
    ...invalid.filter((pointer) => !isWritten(pointer)).map((pointer) => ({ pointer, value: undefined })),
    ...cap === undefined || write === undefined ? [] : [writeAt(json, write, cap)],
  ]
}

function usageEdits (json: object, { stream, includeUsage }: TokenPlaces): Edit[] {
  if (includeUsage === undefined || stream === undefined || followPointer(json, stream) !== true) return []
  return followPointer(json, includeUsage) === true ? [] : [writeAt(json, includeUsage, true)]
}

function isMap (json: unknown): json is object {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
