import type { Prompt, PromptRule, PromptScope } from './contract.js'
import type { Fields } from './form-fields.js'
import { formRest, formTexts } from './form-texts.js'
import { findTexts } from './found-texts.js'

/** A body, read; both members undefined: it is neither JSON nor a form. */
export interface PromptSource {
  /** As `readStrictJson` has it. */
  readonly json: unknown
  readonly fields: Fields | undefined
}

/**
 * What a body says, as far as the scope goes; empty when it says nothing. With `last` it is at most one message. The
 * person's messages that follow one another are one, so that nothing is gained by cutting one up; what the rule
 * counts to the newest message stands at its end. Takes time linear in the body. Never throws.
 */
export function extractPrompt ({ json, fields }: PromptSource, rule: PromptRule, scope: PromptScope): Prompt {
  const { newest, older, rest } = findTexts(json, { rule, scope }, (text) => text)
  const written = fields === undefined ? [] : formTexts(fields, rule)
  const besides = fields === undefined || scope !== 'all' ? [] : formRest(fields, rule)
  const messages = [...[...rest, ...besides].map((text) => [text]), ...older, [...newest, ...written]]
  return messages.filter((texts) => texts.length > 0)
}
