import { UNDECIDED } from './normalise/undecided.js'

/** What a character is to words. The order counts: what is up to `OTHER` is no part of a word. */
export const SPACE = 1
export const OTHER = 2
/** Letters, digits and marks of scripts that part their words. */
export const LETTER = 3
/** Characters of scripts without spaces, each of which may begin or end a word. */
export const IDEOGRAPH = 4
/** Katakana parts its words by changing to another script. */
export const KATAKANA = 5

const CHARACTERS = 0x20000
const LAST_IDEOGRAPH = 0x3FFFF
const UNSPACED = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]$/u
const KANA = /^[\p{Script=Katakana}\u30FC]$/u
const WORD = /^[\p{L}\p{N}\p{M}]$/u

const kinds = new Uint8Array(CHARACTERS)

/** Kind of a code point: `SPACE`, `OTHER`, `LETTER`, … */
export function kindOf (code: number): number {
  if (code >= CHARACTERS) return code <= LAST_IDEOGRAPH ? IDEOGRAPH : OTHER
  return kinds[code] || learn(code)
}

/** True where a word may end behind a character of one kind and begin with one of the other. */
export function isBorder (before: number, behind: number): boolean {
  return before !== behind || (before !== LETTER && before !== KATAKANA)
}

function learn (code: number): number {
  const kind = classify(String.fromCodePoint(code))
  kinds[code] = kind
  return kind
}

function classify (character: string): number {
  if (character === UNDECIDED) return LETTER
  if (/\s/.test(character)) return SPACE
  if (!WORD.test(character)) return OTHER
  if (UNSPACED.test(character)) return IDEOGRAPH
  return KANA.test(character) ? KATAKANA : LETTER
}
