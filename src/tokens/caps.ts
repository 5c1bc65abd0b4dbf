import { isSameName, visitValues } from '../json-members.js'
import { followPointer } from '../json-pointer.js'
import type { JsonValue } from '../json-value.js'
import type { Edit } from '../rewriting/contract.js'
import { MOST_TOKENS, type Pointer, type TokenPlaces } from './contract.js'

/** What a request says about the length of its answers. */
export interface Caps {
  /** The largest of the client's own; undefined: none that a backend would go by. */
  readonly asked: number | undefined
  /** One of them stands where every backend reads it. */
  readonly isWritten: boolean
  /** Where the client's own caps stand that only some backends read. */
  readonly others: readonly Pointer[]
  /**
   * What no backend may see: places with something that is no cap and might be read as none, and places in another
   * case of their names, of which some backends go by the last, even if that is a `null`.
   */
  readonly misread: readonly Pointer[]
}

/** Reads the client's caps, and what might undo them. */
export function capsOf (json: unknown, { caps, write }: Pick<TokenPlaces, 'caps' | 'write'>): Caps {
  const written = write?.join('/')
  let asked: number | undefined
  let isWritten = false
  const others: Pointer[] = []
  const misread: Pointer[] = []
  for (const pointer of caps) {
    misread.push(...misspelled(json, pointer))
    const own = followPointer(json, pointer)
    if (isAbsent(own)) continue
    const cap = capFrom(own)
    if (cap === undefined) {
      misread.push(pointer)
      continue
    }
    asked = Math.max(asked ?? 0, cap)
    if (pointer.join('/') === written) isWritten = true
    else others.push(pointer)
  }
  return { asked, isWritten, others, misread }
}

/** How many answers a request asks for: choices of each prompt, times prompts. */
export function answersOf (json: unknown, { times, prompts }: Pick<TokenPlaces, 'times' | 'prompts'>): number {
  const choices = times.flatMap((pointer) => valuesAt(json, pointer)).map(countFrom)
  const lists = prompts.flatMap((pointer) => valuesAt(json, pointer)).map(promptsIn)
  return Math.max(1, ...choices) * Math.max(1, ...lists)
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

/** Members on the way that backends written in Go would take for those of the pointer. */
function misspelled (json: unknown, pointer: Pointer): Pointer[] {
  const found: Pointer[] = []
  let value = json
  for (const [depth, name] of pointer.entries()) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) break
    for (const other of Object.keys(value)) {
      if (other !== name && isSameName(other, name)) found.push([...pointer.slice(0, depth), other])
    }
    value = followPointer(value, [name])
  }
  return found
}

function valuesAt (json: unknown, pointer: Pointer): unknown[] {
  const values: unknown[] = []
  visitValues(json, pointer, (value) => { if (!isAbsent(value)) values.push(value) })
  return values
}

function isAbsent (value: unknown): value is null | undefined {
  return value === null || value === undefined
}

/** A whole number from 1, however large; everything else is no cap: some backends read -1, or 0.5, as none at all. */
function capFrom (value: unknown): number | undefined {
  if (value === Infinity) return MOST_TOKENS
  return Number.isInteger(value) && Number(value) > 0 ? Math.min(Number(value), MOST_TOKENS) : undefined
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
