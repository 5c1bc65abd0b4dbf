import type { PromptRule, PromptScope } from '../prompt/contract.js'
import { locatePrompt, type LocatedText } from '../prompt/prompt.js'
import type { Edit } from './contract.js'
import { createCopyFinder } from './copies.js'
import { emptyTexts, isOwnText, listOf } from './emptied-texts.js'

export interface PromptRewriting {
  readonly rule: PromptRule
  /** Beyond the newest message: where its copies are sought. */
  readonly scope: PromptScope
  /** What the backend reads instead. */
  readonly text: string
}

/** What is done to a body, and to which of its texts. */
export interface RewrittenPrompt {
  readonly edits: readonly Edit[]
  /** Texts that stood together and were replaced by one, as they were written: what is said now, then its copies. */
  readonly replaced: readonly (readonly string[])[]
}

/**
 * Puts one text in place of what the person says now, and of every text of the scope that repeats it. Of several texts
 * the first that is the person's own is replaced, the others are taken out; pictures and files stay. Where there are
 * several conversations, each keeps one, so that nothing older becomes what is said now. No edits where nothing is said.
 * Takes time linear in the body. Never throws.
 */
export function rewritePrompt (
  { json }: { readonly json: unknown }, { rule, scope, text }: PromptRewriting
): RewrittenPrompt {
  const { newest, others } = locatePrompt(json, rule, scope)
  if (newest.length === 0) return { edits: [], replaced: [] }
  const isCopy = createCopyFinder(newest.map((one) => one.text))
  const copies = others.filter((one) => isCopy(one.text))
  const edits = copies.map(({ pointer }): Edit => ({ pointer, value: text }))
  const written: Edit[] = []
  const said = byConversation(json, newest)
  for (const [list, texts] of said) {
    const isKept = list !== undefined || written.length === 0
    const kept = isKept ? keptOf(json, texts) : undefined
    for (const edit of emptyTexts(json, texts.filter((one) => one !== kept), kept)) edits.push(edit)
    if (kept !== undefined) written.push({ pointer: kept.pointer, value: text })
  }
  for (const edit of written) edits.push(edit)
  return {
    // What is written last: two patterns of a rule may lead to one place.
    edits,
    replaced: [...said.map(([, texts]) => texts.map((one) => one.text)), ...copies.map((one) => [one.text])],
  }
}

/** The edits that put one text in place of several that were said together. */
export function replaceTexts (json: unknown, texts: readonly LocatedText[], text: string): Edit[] {
  const kept = keptOf(json, texts)
  if (kept === undefined) return []
  return [...emptyTexts(json, texts.filter((one) => one !== kept), kept), { pointer: kept.pointer, value: text }]
}

function keptOf (json: unknown, texts: readonly LocatedText[]): LocatedText | undefined {
  return texts.find((one) => isOwnText(json, one)) ?? texts[0]
}

/** By the list that a text's message is in, those outside of lists at the end. */
function byConversation (json: unknown, texts: readonly LocatedText[]): [list: unknown, texts: LocatedText[]][] {
  const lists = new Map<unknown, LocatedText[]>()
  const outside: LocatedText[] = []
  for (const text of texts) {
    const list = listOf(json, text)
    const members = list === undefined ? outside : lists.get(list) ?? []
    members.push(text)
    if (list !== undefined) lists.set(list, members)
  }
  return [...lists, [undefined, outside]]
}
