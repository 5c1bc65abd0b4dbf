/** The room's door: where prompts stand, and what they say. */
import type { Prompt, PromptRule, PromptScope } from './contract.js'
import { extractPrompt, type PromptSource } from './extract-prompt.js'

export { decodeText, isUtf8Charset } from './charset.js'
export { parseContentType, withUtf8Charset } from './content-type.js'
export { extractPrompt, extractQuotes, type PromptSource } from './extract-prompt.js'
export { beginsLikeJson, readInspectedBody, type InspectionFault } from './inspected-body.js'
export { findTexts, type FoundTexts } from './found-texts.js'
export { locatePrompt, type LocatedPrompt, type LocatedText } from './locate-prompt.js'
export { ALL_WORDS, OWN_WORDS } from './part-types.js'
export { recentTurns, type RecentOptions, type RecentTurn } from './recent-turns.js'
export { isSaid } from './said.js'
export { readStrictJson, readStrictJsonInTurns, type JsonFault, type JsonReading } from './strict-json.js'

/** What the body of a request, or a frame, says; see `extractPrompt`. Empty where no body was read. */
export function promptOf (exchange: PromptSource, rule: PromptRule, scope: PromptScope): Prompt {
  return extractPrompt(exchange, rule, scope)
}
