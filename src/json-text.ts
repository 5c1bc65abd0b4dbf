/** Finds its way in JSON as it is written, without taking it apart. */

/** Most texts end within so many characters. */
const SHORT_TEXT = 64
const TAB = 0x09
const LINE_FEED = 0x0a
const RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const BACKSLASH = 0x5c
const CLOSE_LIST = 0x5d
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d

/** Where the text that begins at `start` has its closing quote; the end of all where it has none. */
export function endOfText (json: string, start: number): number {
  let i = start + 1
  for (;;) {
    for (const near = i + SHORT_TEXT; i < near; i++) {
      if (i >= json.length) return json.length
      const char = json.charCodeAt(i)
      if (char === QUOTE) return i
      if (char === BACKSLASH) i++
    }
    // Far quotes are sought by the engine, which is faster; but not one by one where many are escaped.
    const far = json.indexOf('"', i)
    if (far === -1) return json.length
    if (!isEscaped(json, far, i)) return far
    i = far + 1
  }
}

/** Where the value that begins at `start` has ended, whatever is in it; the end of all where it does not. */
export function endOfValue (json: string, start: number): number {
  let depth = 0
  for (let i = start; i < json.length; i++) {
    const char = json.charCodeAt(i)
    if (char === QUOTE) i = endOfText(json, i)
    else if (char === OPEN_MAP || char === OPEN_LIST) depth++
    else if (char === CLOSE_MAP || char === CLOSE_LIST) depth--
    else if (depth > 0 || !endsPlain(json.charCodeAt(i + 1))) continue
    if (depth <= 0) return i + 1
  }
  return json.length
}

/** The first place from `start` on that is not white space. */
export function skipBlank (json: string, start: number): number {
  let i = start
  while (i < json.length && isBlank(json.charCodeAt(i))) i++
  return i
}

/** What may stand behind a number or a word; NaN: nothing does. */
function endsPlain (char: number): boolean {
  return char === COMMA || char === CLOSE_MAP || char === CLOSE_LIST || isBlank(char) || Number.isNaN(char)
}

function isBlank (char: number): boolean {
  return char === SPACE || char === LINE_FEED || char === RETURN || char === TAB
}

/** Backslashes in front of it, down to where the last escape ended, decide by twos. */
function isEscaped (json: string, quote: number, from: number): boolean {
  let first = quote
  while (first > from && json.charCodeAt(first - 1) === BACKSLASH) first--
  return (quote - first) % 2 === 1
}
