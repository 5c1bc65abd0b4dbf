/** The room's door: what becomes of a body on its way to the backend. */
import type { Exchange } from '../exchange.js'

export { applyEditsInTurns } from './apply-edits.js'
export { editsOf, noteEdits, tellBackend, type ToldField } from './note-change.js'
export { replaceTexts, rewritePrompt, type PromptRewriting, type RewrittenPrompt } from './rewrite-prompt.js'

/**
 * Whether edits can change an exchange's body: a JSON document, read and understood, and no form as well. Of anything
 * else edits are left alone, so whoever depends on them must refuse it.
 */
export function canEdit ({ json, form, fields }: Pick<Exchange, 'json' | 'form' | 'fields'>): boolean {
  return json !== undefined && form === undefined && fields === undefined
}
