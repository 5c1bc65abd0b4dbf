import { IDEOGRAPH, kindOf, OTHER, SPACE } from '../characters.js'
import { LOOSE, TIGHT, TOGETHER } from './gaps.js'

/** One form of a keyword, as it is looked for. */
export interface Keyword {
  /** Its place in the policy's list. */
  readonly index: number
  /** Code points; with signs among them only where the keyword is looked for to the letter. */
  readonly letters: readonly number[]
  /** Before which letters a word begins. */
  readonly gaps: readonly boolean[]
  /** The widest gap that may stand where the keyword has none. */
  readonly widest: number
  /** It is found where the text has no gap and the keyword has: `developermode`. */
  readonly mayLackGaps: boolean
}

/** Signs among words that say nothing: a keyword with others is looked for to the letter. */
const WEAK_SIGNS = /[-_'’"“”.,;:!?/&…]/
const WEAK_ENDS = /[\s.,;:!?'"’”…]+$/
const WEAK_STARTS = /^[\s'"‘“]+/
/** From so many letters on, the gaps in a keyword prove nothing. */
const LETTERS_TO_LACK_GAPS = 6
const LETTERS_TO_GAP = 8
const LETTERS_TO_PART = 3
const HAS_LETTER = /\p{L}/u
/** Chinese and its like have no gaps of their own. */
const IDEOGRAPHS_TO_GAP = 2

/** A keyword without what may stand around it. */
export function trimKeyword (text: string): string {
  const trimmed = text.replace(WEAK_STARTS, '').replace(WEAK_ENDS, '')
  return trimmed === '' ? text.trim() : trimmed
}

/** True where a keyword's signs are part of it: `C++`, `<|im_start|>`, `.net`. */
export function hasSigns (text: string): boolean {
  const characters = [...text]
  return characters.some((character, index) => {
    const kind = kindOf(character.codePointAt(0) ?? 0)
    return kind === OTHER && (index === 0 || !WEAK_SIGNS.test(character))
  })
}

/** The keyword as words, whose letters may stand together or apart when it is long enough and `spacedOut` says so. */
export function asWords (text: string, index: number, spacedOut: boolean): Keyword {
  const { letters, gaps } = parted(text, OTHER)
  // The signs in a number are part of it.
  const isLoose = spacedOut && HAS_LETTER.test(text)
  return {
    index,
    letters,
    gaps,
    widest: isLoose ? widestIn(letters) : TOGETHER,
    mayLackGaps: isLoose && letters.length >= LETTERS_TO_LACK_GAPS,
  }
}

function widestIn (letters: readonly number[]): number {
  if (letters.length >= LETTERS_TO_GAP) return LOOSE
  if (letters.length >= IDEOGRAPHS_TO_GAP && letters.every((code) => kindOf(code) === IDEOGRAPH)) return LOOSE
  return letters.length >= LETTERS_TO_PART ? TIGHT : TOGETHER
}

/** The keyword with all its signs; only its white space may be of another kind. */
export function toTheLetter (text: string, index: number): Keyword {
  return { index, ...parted(text, SPACE), widest: TOGETHER, mayLackGaps: false }
}

/** What is up to this kind is a gap. */
function parted (text: string, gapKind: number): { letters: number[], gaps: boolean[] } {
  const letters: number[] = []
  const gaps: boolean[] = []
  let isGap = false
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    if (kindOf(code) <= gapKind) {
      isGap = true
      continue
    }
    letters.push(code)
    gaps.push(isGap && letters.length > 1)
    isGap = false
  }
  return { letters, gaps }
}
