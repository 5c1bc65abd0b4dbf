import { setImmediate as nextTurn } from 'node:timers/promises'
import { endOfText } from '../json-text.js'
import { parseJson } from '../parse-json.js'
import { isOddName, mayMisread, readNamesAgain } from './plain-names.js'

/** Lists and maps within one another. .NET stops at 64 and Python near 1000; a tool's JSON schema needs some 20. */
export const MOST_DEPTH = 64
/** Lists and maps in one text; a conversation of a thousand messages with parts has a few thousand. */
export const MOST_CONTAINERS = 10_000
/** Members of all maps together; such a conversation has some 5,000. Each new name costs a parser dear. */
export const MOST_MEMBERS = 12_000
/** Commas outside of texts: values in lists and maps. */
export const MOST_VALUES = 50_000
/** Characters outside of texts: digits and white space, of which 50,000 token ids have some 350,000. */
export const MOST_BARE = 1_000_000
/** Longer texts, in characters, are read in several turns of the event loop. */
const LONG_TEXT = 256 * 1024

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d

/** Why a text is no JSON that every backend reads alike. `BODY_TOO_LARGE`: too many values, whatever its bytes. */
export type JsonFault = 'INVALID_JSON' | 'DUPLICATE_KEYS' | 'TOO_DEEP' | 'BODY_TOO_LARGE'
export type JsonReading = { readonly value: unknown, readonly fault?: undefined } | { readonly fault: JsonFault }

/**
 * Reads a text as JSON that no backend can read otherwise: nothing nested too deep, no key twice in a map, however
 * it is written. The value is what `JSON.parse` says. Takes time linear in the text, and stops early at the bounds.
 *
 * Numbers that lose precision and texts with half a surrogate pair are let through: backends differ over them, but
 * not over what is said where.
 */
export function readStrictJson (text: string): JsonReading {
  const members = countWritten(text)
  if (typeof members === 'string') return { fault: members }
  const value = parseJson(text)
  const kept = keptOf(value, text)
  if (!kept.hasOddName) return conclude(value, members, kept)
  const again = readNamesAgain(text)
  return conclude(again, members, keptOf(again, text))
}

/** The same for texts of any length: a long one lets others have their turn between the steps. */
export async function readStrictJsonInTurns (text: string): Promise<JsonReading> {
  if (text.length <= LONG_TEXT) return readStrictJson(text)
  await nextTurn()
  const members = countWritten(text)
  if (typeof members === 'string') return { fault: members }
  await nextTurn()
  const value = parseJson(text)
  await nextTurn()
  const kept = keptOf(value, text)
  if (!kept.hasOddName) return conclude(value, members, kept)
  await nextTurn()
  const again = readNamesAgain(text)
  await nextTurn()
  return conclude(again, members, keptOf(again, text))
}

function conclude (value: unknown, members: number, kept: Kept): JsonReading {
  if (value === undefined) return { fault: 'INVALID_JSON' }
  // A parser keeps one member of each name: where fewer were kept than written, a name was there twice.
  return kept.members === members ? { value } : { fault: 'DUPLICATE_KEYS' }
}

/** Counts the members of all maps as written, one colon each. Of a text that is no JSON it says nothing of use. */
function countWritten (text: string): number | JsonFault {
  let members = 0
  let depth = 0
  let containers = 0
  let values = 0
  let bare = 0
  for (let i = 0; i < text.length; i++) {
    if (++bare > MOST_BARE) return 'BODY_TOO_LARGE'
    const char = text.charCodeAt(i)
    if (char === QUOTE) i = endOfText(text, i)
    else if (char === COLON) {
      if (++members > MOST_MEMBERS) return 'BODY_TOO_LARGE'
    } else if (char === COMMA) {
      if (++values > MOST_VALUES) return 'BODY_TOO_LARGE'
    } else if (char === OPEN_MAP || char === OPEN_LIST) {
      if (++depth > MOST_DEPTH) return 'TOO_DEEP'
      if (++containers > MOST_CONTAINERS) return 'BODY_TOO_LARGE'
    } else if (char === CLOSE_MAP || char === CLOSE_LIST) depth--
  }
  return members
}

/** What a parser made of the maps of a text. */
interface Kept {
  /** Of all maps together. NaN: a key has half a surrogate pair, which some parsers all read as U+FFFD. */
  members: number
  /** Among the names is one that may be misread. */
  hasOddName: boolean
}

function keptOf (value: unknown, text: string): Kept {
  const kept = { members: 0, hasOddName: false }
  count(value, kept, mayMisread(text))
  return kept
}

function count (value: unknown, kept: Kept, mayBeOdd: boolean): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const element of value) count(element, kept, mayBeOdd)
    return
  }
  for (const key of Object.keys(value)) {
    kept.members += key.isWellFormed() ? 1 : Number.NaN
    if (mayBeOdd && isOddName(key)) kept.hasOddName = true
    count(Reflect.get(value, key), kept, mayBeOdd)
  }
}
