import type { PromptRule, PromptScope } from './contract.js'
import { findTexts } from './found-texts.js'
import type { Path } from './members.js'

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
  /** All else that the scope looks at. */
  readonly others: readonly LocatedText[]
}

/** Where the texts of JSON stand that `extractPrompt` reads. Takes time linear in the body. Never throws. */
export function locatePrompt (json: unknown, rule: PromptRule, scope: PromptScope): LocatedPrompt {
  const { newest, older, rest } = findTexts(json, { rule, scope }, locate)
  return { newest, others: [...older.flat(), ...rest] }
}

function locate (text: string, path: Path, messageAt: number): LocatedText {
  return { text, pointer: path.map(String), messageAt }
}
