import type { Exchange } from '../exchange.js'
import { followPointer } from '../json-pointer.js'
import type { Limiter } from '../limits/contract.js'
import type { Edit } from '../rewriting/contract.js'
import { noteEdits } from '../rewriting/rewriting.js'
import { answersOf, capsOf, writeAt, type Caps } from './caps.js'
import { MOST_TOKENS, type Pointer, type TokenPlaces, type TokenRule } from './contract.js'
import { estimatePrompt } from './estimate-prompt.js'

const TRUE = /^(?:1|on|t|true|y|yes)$/i

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

/** Reckons once what a request costs at most, and notes in `exchange.change` the cap that makes it so. */
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
  // No answer belongs to a frame, and nothing would be gained by changing it.
  const json = terms.edits && !exchange.upgrade && isMap(exchange.json) ? exchange.json : undefined
  for (const rule of rules) {
    const { places } = rule
    const prompt = Math.min(estimatePrompt(exchange, rule), MOST_TOKENS)
    const caps = capsOf(exchange.json, places)
    const cap = capOf(caps, { own: terms.cap, canWrite: json !== undefined && places.write !== undefined })
    const tokens = Math.min(prompt + cap * answersOf(exchange.json, places), MOST_TOKENS)
    if (tokens > dearest.tokens) dearest = { tokens, prompt }
    if (json === undefined) continue
    noteEdits(exchange, capEdits(json, { places, caps, cap }))
    if (terms.includeUsage) noteEdits(exchange, usageEdits(json, places))
  }
  return dearest
}

/** The client's own counts where it stands, or is put, where every backend reads it; elsewhere it may mean nothing. */
function capOf ({ asked, isWritten, misread }: Caps, { own, canWrite }: { own: number, canWrite: boolean }): number {
  if (canWrite || (isWritten && misread.length === 0)) return asked ?? own
  return Math.max(asked ?? 0, own)
}

interface Capping {
  readonly places: TokenPlaces
  readonly caps: Caps
  readonly cap: number
}

/** A cap in a place that only some read is moved: many backends refuse it in two at once. */
function capEdits (json: object, { places: { write }, caps, cap }: Capping): Edit[] {
  const out = (pointer: Pointer): Edit => ({ pointer, value: undefined })
  if (write === undefined || caps.isWritten) return caps.misread.map(out)
  const isElsewhere = (pointer: Pointer) => pointer.join('/') !== write.join('/')
  return [...[...caps.misread, ...caps.others].filter(isElsewhere).map(out), writeAt(json, write, cap)]
}

function usageEdits (json: object, { stream, includeUsage }: TokenPlaces): Edit[] {
  if (includeUsage === undefined || stream === undefined || !isTrue(followPointer(json, stream))) return []
  return followPointer(json, includeUsage) === true ? [] : [writeAt(json, includeUsage, true)]
}

/** As lenient backends read it. */
function isTrue (value: unknown): boolean {
  return value === true || value === 1 || (typeof value === 'string' && TRUE.test(value))
}

function isMap (json: unknown): json is object {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
