import { isBorder, kindOf, SPACE } from '../characters.js'
import { createAlphabet } from './alphabet.js'
import { createAutomaton } from './automaton.js'
import { LOOSE, TOGETHER, widened } from './gaps.js'
import type { Keyword } from './keyword.js'
import { createLatestLetters } from './latest-letters.js'

/** Looks for keywords in one pass. */
export interface Matcher {
  /** Place in the policy's list of a keyword that the text holds; undefined: none. */
  find: (text: string) => number | undefined
}

export interface MatcherOptions {
  /** Keywords stand between borders of words. */
  readonly wholeWords: boolean
  /** What is up to this kind of character parts letters; what is above is one. */
  readonly gapKind: number
}

const PAIRED = 0xFFFF
const NONE = -1
const ROOT = 0

/** A matcher over the letters of a text alone: how they are parted is looked at where a keyword's letters are found. */
export function createMatcher (keywords: readonly Keyword[], { wholeWords, gapKind }: MatcherOptions): Matcher {
  const symbolOf = createAlphabet(keywords)
  const automaton = createAutomaton(keywords.map(({ letters }) => letters.map(symbolOf)))
  const latest = createLatestLetters(keywords.reduce((longest, { letters }) => Math.max(longest, letters.length), 0))

  /** Of the keywords whose letters end in a state, the first that stands in the text. */
  const standing = (state: number): Keyword | undefined => {
    for (let word = automaton.longestAt(state); word !== NONE; word = automaton.nextAfter(word)) {
      const keyword = keywords[word]
      if (keyword === undefined || (wholeWords && !latest.beginWord(keyword.letters.length))) continue
      if (latest.endWith(keyword)) return keyword
    }
    return undefined
  }

  const find = (text: string): number | undefined => {
    latest.clear()
    let state = ROOT
    let before = SPACE
    let gap = LOOSE
    for (let index = 0; index < text.length; index++) {
      const code = codeAt(text, index)
      if (code > PAIRED) index++
      const kind = kindOf(code)
      if (kind <= gapKind) {
        gap = widened(gap, text, index)
      } else {
        latest.push(code, gap, gap !== TOGETHER || isBorder(before, kind))
        gap = TOGETHER
        state = automaton.step(state, symbolOf(code))
        const keyword = automaton.longestAt(state) === NONE ? undefined : standing(state)
        if (keyword !== undefined && (!wholeWords || endsWord(text, index + 1, kind))) return keyword.index
      }
      before = kind
    }
    return undefined
  }
  return { find }
}

function endsWord (text: string, next: number, kind: number): boolean {
  return next >= text.length || isBorder(kind, kindOf(codeAt(text, next)))
}

function codeAt (text: string, index: number): number {
  const code = text.charCodeAt(index)
  return (code & 0xFC00) === 0xD800 ? text.codePointAt(index) ?? 0 : code
}
