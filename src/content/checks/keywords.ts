import { OTHER, SPACE } from '../characters.js'
import type { FindInPrompt, Normalisation } from '../contract.js'
import { asWords, hasSigns, type Keyword, toTheLetter, trimKeyword } from '../keywords/keyword.js'
import { createMatcher } from '../keywords/matcher.js'
import { formsOf } from '../normalise/readings.js'
import { rot13 } from '../normalise/rot13.js'
import { quickenStrings } from '../quicken-strings.js'

export interface KeywordsOptions {
  /** As the policy writes them; blank ones are skipped. */
  readonly list: readonly string[]
  /** `word`: between borders of words; `substring`: anywhere, as the replaced system has it. */
  readonly match: 'word' | 'substring'
  /** The steps that the prompt goes through: the keywords go through the same. */
  readonly normalise: Normalisation
}

/** Shorter words are too often those of somebody else: `QnA` is `DAN`, turned. */
const LETTERS_TO_TURN = 6
const LATIN = /^[a-z\s]+$/

/**
 * Thousands of words and phrases at once, in time linear in the readings of the prompt. White space in a keyword
 * stands for any gap between words. Answers the keyword that is found first, as the policy writes it.
 */
export function createKeywordsCheck ({ list, match, normalise }: KeywordsOptions): FindInPrompt {
  quickenStrings()
  const words: Keyword[] = []
  const literals: Keyword[] = []
  list.forEach((written, index) => {
    for (const form of formsOf(trimKeyword(written), normalise)) {
      if (form.trim() === '') continue
      if (hasSigns(form)) literals.push(toTheLetter(form, index))
      else words.push(...spellings(form, index, normalise))
    }
  })
  const wholeWords = match === 'word'
  const matchers = [
    ...words.length > 0 ? [createMatcher(words, { wholeWords, gapKind: OTHER })] : [],
    ...literals.length > 0 ? [createMatcher(literals, { wholeWords, gapKind: SPACE })] : [],
  ]
  return ({ readings }) => {
    for (const text of readings) {
      for (const { find } of matchers) {
        const index = find(text)
        if (index !== undefined) return { found: list[index] ?? '' }
      }
    }
    return undefined
  }
}

/** The keyword itself and, where it is long enough to be told apart, turned. */
function spellings (form: string, index: number, { spacedOut, encoded }: Normalisation): Keyword[] {
  const keyword = asWords(form, index, spacedOut)
  const mayTurn = encoded && LATIN.test(form) && keyword.letters.length >= LETTERS_TO_TURN
  return mayTurn ? [keyword, asWords(rot13(form), index, false)] : [keyword]
}
