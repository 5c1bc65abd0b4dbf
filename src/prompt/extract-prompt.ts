import type { Prompt, PromptRule, PromptScope } from './contract.js'
import type { Keep } from './conversation.js'
import type { Fields } from './form-fields.js'
import { formQuotes, formRest, formTexts } from './form-texts.js'
import { findTexts, textsAt } from './found-texts.js'

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
  const { newest, older, quotes, rest } = findTexts(json, { rule, scope }, asWritten)
  const written = fields === undefined ? [] : formTexts(fields, rule)
  const besides = fields === undefined || scope !== 'all' ? [] : formRest(fields, rule)
  const pointedAt = scope === 'last' ? [] : [...quotes, ...quotesOfForm(fields, rule)]
  const messages = [...[...rest, ...besides, ...pointedAt].map((text) => [text]), ...older, [...newest, ...written]]
  return messages.filter((texts) => texts.length > 0)
}

/** What the newest message points at. */
export function extractQuotes (
  { json, fields }: PromptSource, rule: PromptRule, read: Keep<string> = asWritten
): string[] {
  return [...textsAt(json, rule.quotes, read), ...quotesOfForm(fields, rule)]
}

function quotesOfForm (fields: Fields | undefined, rule: PromptRule): readonly string[] {
  return fields === undefined ? [] : formQuotes(fields, rule)
}

function asWritten (text: string): string {
  return text
}
