import type { Path } from '../json-members.js'
import type { PromptRule, PromptScope } from './contract.js'
import { findTexts } from './found-texts.js'

/** A text of a JSON body, and where it stands. */
export interface LocatedText {
  readonly text: string
  /** A JSON pointer, taken apart; indices as they are written. */
  readonly pointer: readonly string[]
  /** How many parts of the pointer lead to the message of a conversation that it is in; 0: it is in none. */
  readonly messageAt: number
}

export interface LocatedPrompt {
  /** What the person says now, in order; a place comes twice where two patterns of the rule lead to it. */
  readonly newest: readonly LocatedText[]
  /** What was said before, as far as the scope goes. */
  readonly older: readonly LocatedText[]
  /** What the newest message points at, whatever the scope. */
  readonly quotes: readonly LocatedText[]
  /** Instructions and the like, with the scope `all`. */
  readonly rest: readonly LocatedText[]
}

/** Where the texts of JSON stand that `extractPrompt` reads. Takes time linear in the body. Never throws. */
export function locatePrompt (json: unknown, rule: PromptRule, scope: PromptScope): LocatedPrompt {
  const { older, ...found } = findTexts(json, { rule, scope }, locate)
  return { ...found, older: older.flat() }
}

function locate (text: string, path: Path, messageAt: number): LocatedText {
  return { text, pointer: path.map(String), messageAt }
}
