import { UNDECIDED_CODE } from '../normalise/undecided.js'
import { TOGETHER } from './gaps.js'
import type { Keyword } from './keyword.js'

/** The last letters of a text, as many as the longest keyword has, with the gap and the border before each. */
export interface LatestLetters {
  clear: () => void
  push: (letter: number, gap: number, isFirstOfWord: boolean) => void
  /** True when the last letters are those of the keyword, parted as it may be. */
  endWith: (keyword: Keyword) => boolean
  /** True when the first of the last so many letters begins a word. */
  beginWord: (letters: number) => boolean
}

const SMALL_I = 0x69
const SMALL_L = 0x6C

export function createLatestLetters (longest: number): LatestLetters {
  const size = 2 ** Math.ceil(Math.log2(longest + 1))
  const letters = new Int32Array(size)
  const gaps = new Uint8Array(size)
  const borders = new Uint8Array(size)
  let count = 0
  return {
    clear: () => { count = 0 },
    push: (letter, gap, isFirstOfWord) => {
      const place = count++ & (size - 1)
      letters[place] = letter
      gaps[place] = gap
      borders[place] = isFirstOfWord ? 1 : 0
    },
    endWith: (keyword) => {
      const first = count - keyword.letters.length
      for (let index = 0; index < keyword.letters.length; index++) {
        const place = (first + index) & (size - 1)
        if (!isSame(letters[place] ?? 0, keyword.letters[index] ?? 0)) return false
        if (index > 0 && !fits(gaps[place] ?? 0, keyword, index)) return false
      }
      return true
    },
    beginWord: (length) => borders[(count - length) & (size - 1)] === 1,
  }
}

function isSame (letter: number, wanted: number): boolean {
  return letter === wanted || (letter === UNDECIDED_CODE && (wanted === SMALL_I || wanted === SMALL_L))
}

function fits (gap: number, keyword: Keyword, index: number): boolean {
  if (keyword.gaps[index] === true) return gap !== TOGETHER || keyword.mayLackGaps
  return gap <= keyword.widest
}
