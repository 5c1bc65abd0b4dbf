/** The room's door: where prompts stand, and what they say. */
import type { Prompt, PromptRule, PromptScope } from './contract.js'
import { extractPrompt, type PromptSource } from './extract-prompt.js'

export { extractPrompt, type PromptSource } from './extract-prompt.js'
export { beginsLikeJson, readInspectedBody, type InspectionFault } from './inspected-body.js'
export { parsePointerPattern } from './pointer-pattern.js'
export { readStrictJson, readStrictJsonInTurns, type JsonFault, type JsonReading } from './strict-json.js'

/** What the body of a request, or a frame, says; see `extractPrompt`. Empty where no body was read. */
export function promptOf (exchange: PromptSource, rule: PromptRule, scope: PromptScope): Prompt {
  return extractPrompt(exchange, rule, scope)
}
