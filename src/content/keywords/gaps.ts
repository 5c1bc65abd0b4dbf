import { kindOf, SPACE } from '../characters.js'

/** How two letters of a text are parted. */
export const TOGETHER = 0
/** By one sign: `jail-break`. */
export const TIGHT = 1
/** By white space, or by several signs. */
export const LOOSE = 2
/** By the end of a sentence, or of a part of one. */
export const APART = 3

const SENTENCE_ENDS: ReadonlySet<number> = new Set([...'.,;:!?…。、，'].map((sign) => sign.charCodeAt(0)))
/** Single letters with an apostrophe are words: `d'an`, `l'on`. */
const APOSTROPHES: ReadonlySet<number> = new Set([...'\'’`´'].map((sign) => sign.charCodeAt(0)))

/** The gap with one more character that is no letter, which ends at `last`. */
export function widened (gap: number, text: string, last: number): number {
  if (gap === APART) return APART
  const code = text.charCodeAt(last)
  const isBlank = kindOf(code) === SPACE
  if (isBlank && last > 0 && SENTENCE_ENDS.has(text.charCodeAt(last - 1))) return APART
  return gap === TOGETHER && !isBlank && !APOSTROPHES.has(code) ? TIGHT : LOOSE
}
