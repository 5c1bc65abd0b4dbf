import { withoutCode } from './without-code.js'

/** How many characters of a text count, and how many of them are neither letter nor digit. */
export interface SignCount {
  readonly counted: number
  readonly signs: number
}

const CHARACTERS = 0x20000
const PAIRED = 0xFFFF
const LETTER = 1
const DIGIT = 2
const SIGN = 3
/** Of mathematics: a single one among others is a formula, several in a row are not. */
const OPERATOR = 4
/** One beside a letter belongs to the word. */
const QUOTE = 5
const UNCOUNTED = 6
const BLANK = 7

const IS_BLANK = /^\s$/
const IS_DIGIT = /^\p{N}$/u
const IS_LETTER = /^\p{L}$/u
/** Marks, invisible characters, emoji, and the frames of tables. */
const IS_UNCOUNTED = /^[\p{M}\p{Cf}\p{Cc}\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\u2500-\u257F]$/u
const IS_QUOTE = /^["“”„«»]$/
const IS_OPERATOR = /^[\p{Sm}^]$/u
/** Those that serve for other things in plain text. */
const NO_OPERATORS = /^[|~<>]$/
/** Rules and frames: `|---|:--:|`, `+----+`, `=====`. */
const RULE_LINE = /^[ \t]*[|+=:*_-][|+=:*_ \t-]{2,}\r?$/gm
const TABLE_LINE = /^[ \t]*\|.*$/gm

const kinds = new Uint8Array(CHARACTERS)

/** Python's `not c.isalnum()` over all characters, as the replaced system counts. */
export function countPlainly (text: string): SignCount {
  let counted = 0
  let signs = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.codePointAt(index) ?? 0
    if (code > PAIRED) index++
    counted++
    const kind = kindOf(code)
    if (kind !== LETTER && kind !== DIGIT) signs++
  }
  return { counted, signs }
}

/**
 * Without code, formulas, frames of tables, blanks, marks and emoji. A sign beside a digit belongs to a number, a date
 * or a formula, a quotation mark beside a letter to what is quoted: neither counts.
 */
export function countSigns (text: string): SignCount {
  const prose = withoutCode(text).replace(RULE_LINE, '').replace(TABLE_LINE, (line) => line.replaceAll('|', ' '))
  let counted = 0
  let signs = 0
  let last = BLANK
  let hasCounted = false
  for (let index = 0; index < prose.length; index++) {
    const code = prose.codePointAt(index) ?? 0
    if (code > PAIRED) index++
    const kind = kindOf(code)
    if (kind === BLANK || kind === UNCOUNTED) continue
    if (hasCounted && isSign(last) && belongsTogether(kind, last)) {
      counted--
      signs--
    }
    hasCounted = !isSign(kind) || !(belongsTogether(last, kind) || (kind === OPERATOR && last !== OPERATOR))
    if (hasCounted) {
      counted++
      if (isSign(kind)) signs++
    }
    last = kind
  }
  return { counted, signs }
}

function isSign (kind: number): boolean {
  return kind === SIGN || kind === OPERATOR || kind === QUOTE
}

/** True when a sign belongs to its neighbour. */
function belongsTogether (neighbour: number, sign: number): boolean {
  return neighbour === DIGIT || (neighbour === LETTER && sign === QUOTE)
}

function kindOf (code: number): number {
  if (code >= CHARACTERS) return classify(String.fromCodePoint(code))
  return kinds[code] || learn(code)
}

function learn (code: number): number {
  const kind = classify(String.fromCodePoint(code))
  kinds[code] = kind
  return kind
}

function classify (character: string): number {
  if (IS_LETTER.test(character)) return LETTER
  if (IS_DIGIT.test(character)) return DIGIT
  if (IS_BLANK.test(character)) return BLANK
  if (IS_UNCOUNTED.test(character)) return UNCOUNTED
  if (IS_QUOTE.test(character)) return QUOTE
  return IS_OPERATOR.test(character) && !NO_OPERATORS.test(character) ? OPERATOR : SIGN
}
