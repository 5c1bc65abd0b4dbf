import type { PointerPattern, Prompt, PromptRule, PromptScope } from './contract.js'
import { conversationsOf, type Run } from './conversation.js'
import type { Fields } from './form-fields.js'
import { formRest, formTexts } from './form-texts.js'
import { visitValues } from './members.js'
import { addTexts } from './texts.js'

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
export function extractPrompt (body: PromptSource, rule: PromptRule, scope: PromptScope): Prompt {
  const conversations = rule.conversations.flatMap((one) => conversationsOf(body.json, one))
  const newest = [...conversations.map((runs) => runs.findLast(isByUser)?.texts ?? []), newestTexts(body, rule)].flat()
  if (scope === 'last') return said([newest])
  const others = conversations.flatMap((runs) => olderRuns(runs, scope).map(({ texts }) => texts))
  const rest = scope === 'all' ? restTexts(body, rule).map((text) => [text]) : []
  return said([...rest, ...others, newest])
}

/** Messages without text are no message: the one before them is still the newest. */
function isByUser ({ byUser, texts }: Run): boolean {
  return byUser && texts.length > 0
}

/** All runs of the scope but the person's newest. */
function olderRuns (runs: readonly Run[], scope: PromptScope): readonly Run[] {
  const newest = runs.findLast(isByUser)
  return runs.filter((run) => run !== newest && (run.byUser || scope === 'all'))
}

function newestTexts ({ json, fields }: PromptSource, rule: PromptRule): string[] {
  const texts = textsAt(json, rule.texts)
  return fields === undefined ? texts : [...texts, ...formTexts(fields, rule)]
}

function restTexts ({ json, fields }: PromptSource, rule: PromptRule): string[] {
  const texts = textsAt(json, rule.rest)
  return fields === undefined ? texts : [...texts, ...formRest(fields, rule)]
}

function textsAt (json: unknown, patterns: readonly PointerPattern[]): string[] {
  const texts: string[] = []
  for (const pattern of patterns) visitValues(json, pattern, (value) => addTexts(texts, value))
  return texts
}

function said (messages: readonly (readonly string[])[]): Prompt {
  return messages.filter((texts) => texts.length > 0)
}
