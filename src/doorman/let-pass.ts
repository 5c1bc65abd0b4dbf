/** What becomes of a message that goes on. */
import type { Exchange } from '../exchange.js'
import { firstGraphemes } from '../graphemes.js'
import { canEdit, noteEdits, rewritePrompt, tellBackend, type RewrittenPrompt } from '../rewriting/rewriting.js'
import type { Verdict } from '../verdict/verdict.js'
import type { DoormanUse } from './contract.js'
import type { Judged, MeasuresOptions } from './measures.js'
import { verdictOf } from './verdicts.js'

const UNCHANGED: RewrittenPrompt = { edits: [], replaced: [] }

/**
 * The message goes on, told and changed as the policy says; answers what the backend will read. One that cannot be
 * changed although it must be is refused.
 */
export function letPass (
  exchange: Exchange, judged: Judged, { flagged, rewritings }: Pick<MeasuresOptions, 'flagged' | 'rewritings'>
): string | Verdict | Promise<string | Verdict> {
  const { use: { rules }, category, text, recalled } = judged
  const { action, edits } = category
  if (action !== 'pass') flagged(exchange, { name: category.rule })
  if (rules.header !== undefined && category.isTold) {
    // One class: where several places of a body are judged, that of the rewritten one.
    tellBackend(exchange, { name: rules.header, value: category.name, outranks: action === 'rewrite' })
  }
  if (action === 'rewrite') return rewrite(exchange, judged, rewritings)
  // A form, or no body that we read: cheaper is a wish, nothing that protects.
  if (canEdit(exchange)) noteEdits(exchange, recalled.older, recalled.unanswered, edits)
  return text
}

/** What is said now is replaced as a whole; what was replaced before stays so. */
async function rewrite (
  exchange: Exchange, judged: Judged, rewritings: MeasuresOptions['rewritings']
): Promise<string | Verdict> {
  const { use: { rules, prompt: rule }, category, reason, text, recalled } = judged
  const replacement = replacementOf(text, rules.rewrite)
  const rewriting = { rule, scope: rules.rewrite.scope, text: replacement }
  const { edits, replaced } = canEdit(exchange) ? await rewritePrompt(exchange, rewriting) : UNCHANGED
  if (edits.length === 0) return verdictOf(category, reason)
  noteEdits(exchange, edits, recalled.older, category.edits)
  rewritings.keep(exchange.identity, { rules, category: category.name, replacement, replaced })
  return replacement
}

/** The alarm, and the first words of what it was about. */
function replacementOf (text: string, { template, alarm, truncate }: DoormanUse['rules']['rewrite']): string {
  const values: Readonly<Record<string, string>> = { '{alarm}': alarm, '{truncated}': firstGraphemes(text, truncate) }
  return template.replaceAll(/\{alarm\}|\{truncated\}/g, (name) => values[name] ?? name)
}
