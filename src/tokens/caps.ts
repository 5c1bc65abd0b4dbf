import { followPointer } from '../json-pointer.js'
import { visitValues } from '../prompt/prompt.js'
import type { Edit, JsonValue } from '../rewriting/contract.js'
import { MOST_TOKENS, type Pointer, type TokenPlaces } from './contract.js'

/** What a request says about the length of its answers. */
export interface Caps {
  /** The client's own; undefined: none that a backend would go by. */
  readonly asked: number | undefined
  /** It stands where every backend finds it, so that ours need not be written. */
  readonly isPlain: boolean
  /** Places with something that is no cap, and that backends might read as none. */
  readonly invalid: readonly Pointer[]
}

/** Reads the client's caps, in the direction that costs him most. */
export function capsOf (json: unknown, { caps }: Pick<TokenPlaces, 'caps'>): Caps {
  let asked: number | undefined
  let isPlain = false
  const invalid: Pointer[] = []
  for (const pointer of caps) {
    const own = followPointer(json, pointer)
    const isInvalid = !isAbsent(own) && capFrom(own) === undefined
    if (isInvalid) invalid.push(pointer)
    else if (!isAbsent(own)) isPlain = true
    const all = valuesAt(json, pointer)
    // In another case of the name, which only some backends read: nothing of it can be corrected.
    const isHidden = all.filter((value) => capFrom(value) === undefined).length > (isInvalid ? 1 : 0)
    for (const cap of [...all.map(capFrom), isHidden ? MOST_TOKENS : undefined]) {
      if (cap !== undefined) asked = Math.max(asked ?? 0, cap)
    }
  }
  return { asked, isPlain, invalid }
}

/** How many answers a request asks for: choices of each prompt, times prompts. */
export function answersOf (json: unknown, { times, prompts }: Pick<TokenPlaces, 'times' | 'prompts'>): number {
  const choices = times.flatMap((pointer) => valuesAt(json, pointer)).map(countFrom)
  const lists = prompts.flatMap((pointer) => valuesAt(json, pointer)).map(promptsIn)
  return Math.max(1, ...choices) * Math.max(1, ...lists)
}

/** Tokens that stand in prompts as numbers. */
export function numberedTokens (json: unknown, { prompts }: Pick<TokenPlaces, 'prompts'>): number {
  let tokens = 0
  for (const list of prompts.flatMap((pointer) => valuesAt(json, pointer))) {
    if (!Array.isArray(list)) continue
    for (const one of list) tokens += Array.isArray(one) ? one.length : typeof one === 'number' ? 1 : 0
  }
  return tokens
}

/** Puts a value where a pointer leads. A `null` in the way is nothing to backends, and makes room. */
export function writeAt (json: unknown, pointer: Pointer, value: JsonValue): Edit {
  for (let length = 1; length < pointer.length; length++) {
    if (followPointer(json, pointer.slice(0, length)) !== null) continue
    const nested = pointer.slice(length).reduceRight<JsonValue>((inner, name) => ({ [name]: inner }), value)
    return { pointer: pointer.slice(0, length), value: nested }
  }
  return { pointer, value }
}

function valuesAt (json: unknown, pointer: Pointer): unknown[] {
  const values: unknown[] = []
  visitValues(json, pointer, (value) => { if (!isAbsent(value)) values.push(value) })
  return values
}

function isAbsent (value: unknown): value is null | undefined {
  return value === null || value === undefined
}

/** A number above 0, however large; everything else is no cap: some backends read -1 as none at all. */
function capFrom (value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? Math.min(Math.ceil(value), MOST_TOKENS) : undefined
}

/** Lenient backends read numbers in texts too. */
function countFrom (value: unknown): number {
  const count = typeof value === 'string' || typeof value === 'number' ? Math.ceil(Number(value)) : 1
  return count >= 1 ? Math.min(count, MOST_TOKENS) : 1
}

/** A list of numbers is one prompt. */
function promptsIn (value: unknown): number {
  return Array.isArray(value) && value.some((one) => typeof one !== 'number') ? value.length : 1
}
