import { textIn } from './decoded-text.js'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const UNITS = 0x10000
const OUTSIDE = 64
const EQUALS = 0x3D
const LINE_FEED = 0x0A
const SMALL_A = 0x61
const QUARTET = 4
/** In the first quartet no byte may be below the blank, and the first of a sequence only one that may begin one. */
const BLANK = 0x20
const DELETE = 0x7F
const FIRST_LEAD = 0xC2
const LAST_LEAD = 0xF4
/** Lines of wrapped base64 are at least so long, and are put together. */
const WRAPPED = 40

const values = new Uint8Array(UNITS).fill(OUTSIDE)
for (let value = 0; value < ALPHABET.length; value++) values[ALPHABET.charCodeAt(value)] = value
values['-'.charCodeAt(0)] = ALPHABET.indexOf('+')
values['_'.charCodeAt(0)] = ALPHABET.indexOf('/')

/**
 * A text with its segments in base64 or base64url decoded where they stand. A segment is a word of at least four of its
 * characters, with a capital, digit or sign behind the first, that decodes to text. Answers the text itself where
 * there is none.
 */
export function decodeBase64 (text: string): string {
  let decoded = ''
  let copied = 0
  for (let index = 0; index < text.length; index++) {
    if (valueAt(text, index) === OUTSIDE) continue
    const start = index
    let hasCapitalOrSign = false
    while (++index < text.length && valueAt(text, index) !== OUTSIDE) {
      hasCapitalOrSign ||= text.charCodeAt(index) < SMALL_A
    }
    hasCapitalOrSign ||= text.charCodeAt(index) === EQUALS
    if (!hasCapitalOrSign || !mayBeEncoded(text, start, index)) continue
    index = endOfLines(text, start, index)
    const found = textIn(Buffer.from(text.slice(start, index), 'base64'))
    if (found === undefined) continue
    decoded += text.slice(copied, start) + found
    copied = endOfPadding(text, index)
    index = copied - 1
  }
  return copied === 0 ? text : decoded + text.slice(copied)
}

/** Most words are told apart by their first four characters, without decoding. */
function mayBeEncoded (text: string, start: number, end: number): boolean {
  if (end - start < 2) return false
  const one = valueAt(text, start)
  const two = valueAt(text, start + 1)
  const first = one << 2 | two >> 4
  if (!mayBegin(first)) return false
  if (end - start < QUARTET) return text.charCodeAt(end) === EQUALS
  const three = valueAt(text, start + 2)
  const second = (two & 15) << 4 | three >> 2
  const third = (three & 3) << 6 | valueAt(text, start + 3)
  return first > DELETE || (mayBegin(second) && (second > DELETE || mayBegin(third)))
}

function mayBegin (byte: number): boolean {
  return (byte >= BLANK && byte < DELETE) || (byte >= FIRST_LEAD && byte <= LAST_LEAD)
}

/** Behind the last of long lines that are broken as base64 is. */
function endOfLines (text: string, start: number, firstEnd: number): number {
  let lineStart = start
  let end = firstEnd
  while (end - lineStart >= WRAPPED && (end - lineStart) % QUARTET === 0) {
    const next = text.startsWith('\r\n', end) ? end + 2 : end + 1
    if (text.charCodeAt(next - 1) !== LINE_FEED || valueAt(text, next) === OUTSIDE) return end
    lineStart = next
    end = next
    while (end < text.length && valueAt(text, end) !== OUTSIDE) end++
  }
  return end
}

function endOfPadding (text: string, start: number): number {
  let end = start
  while (end < start + 2 && text.charCodeAt(end) === EQUALS) end++
  return end
}

function valueAt (text: string, index: number): number {
  return values[text.charCodeAt(index)] ?? OUTSIDE
}
