import { textWriter } from './text-writer.js'

const HALF = 13
const ALPHABET = 26
const SMALL_A = 0x61
const SMALL_BIT = 0x20
/** Fewer letters prove nothing. */
const FEWEST = 12
/** Frequent in the languages of Europe, and rare once turned; and what they are turned into. */
const FREQUENT = 'toish'
const RARE = 'gbvfu'
/** So many times as many of the rare as of the frequent make a turned text. */
const MARGIN = 1.5

const IS_FREQUENT = 1
const IS_RARE = 2
const kinds = new Uint8Array(128)
for (const letter of FREQUENT) kinds[letter.charCodeAt(0)] = IS_FREQUENT
for (const letter of RARE) kinds[letter.charCodeAt(0)] = IS_RARE

/** Each letter thirteen further; the same again turns it back. */
export function rot13 (text: string): string {
  const writer = textWriter(text.length)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    const place = (code | SMALL_BIT) - SMALL_A
    if (place < 0 || place >= ALPHABET) writer.put(code)
    else writer.put(place < HALF ? code + HALF : code - HALF)
  }
  return writer.text()
}

/**
 * True when a text as a whole reads better turned than as it stands. Single words are not told by this: `QnA` is not
 * `DAN`. Keywords of some length are looked for turned, instead.
 */
export function looksTurned (text: string): boolean {
  let letters = 0
  let frequent = 0
  let rare = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index) | SMALL_BIT
    if (code < SMALL_A || code >= SMALL_A + ALPHABET) continue
    letters++
    const kind = kinds[code]
    if (kind === IS_FREQUENT) frequent++
    else if (kind === IS_RARE) rare++
  }
  return letters >= FEWEST && rare > frequent * MARGIN
}
