import type { PromptRule, PromptScope } from '../prompt/contract.js'
import { isSaid, locatePrompt, type LocatedPrompt, type LocatedText } from '../prompt/prompt.js'
import { turns } from '../turns.js'
import type { Edit } from './contract.js'
import { createCopyFinder } from './copies.js'
import { emptyTexts, isOwnText, listOf } from './emptied-texts.js'
import { toEnd, type Steps } from './steps.js'

export interface PromptRewriting {
  readonly rule: PromptRule
  /** `last`: copies in what the person said before stay. */
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

/** Texts that one step looks at; bodies with more of them take turns with others. */
const STEP_TEXTS = 500

/**
 * Puts one text in place of what the person says now, of what that points at, and of every older text of the person's
 * that repeats it. What others say, and instructions, are never touched: whoever repeats them must not erase them. Of
 * several texts the first that is the person's own is replaced, the others are taken out; pictures and files stay. Where
 * there are several conversations, each keeps one, so that nothing older becomes what is said now. No edits where
 * nothing is said. Takes time linear in the body, in turns with others where that has many texts. Never rejects.
 */
export function rewritePrompt (
  { json }: { readonly json: unknown }, { rule, scope, text }: PromptRewriting
): RewrittenPrompt | Promise<RewrittenPrompt> {
  const located = locatePrompt(json, rule, scope === 'last' ? 'last' : 'history')
  const steps = rewriting(json, located, text)
  return located.newest.length + located.older.length > STEP_TEXTS ? turns.finish(steps) : toEnd(steps)
}

/** Each `yield` is the end of a step. */
function * rewriting (json: unknown, located: LocatedPrompt, text: string): Steps<RewrittenPrompt> {
  const { older, quotes } = located
  const newest = located.newest.filter((one) => isSaid(one.text))
  yield
  const isCopy = createCopyFinder([...newest.length > 0 ? newest : quotes].map((one) => one.text))
  yield
  const copies: LocatedText[] = []
  for (const [i, one] of older.entries()) {
    if (isCopy(one.text)) copies.push(one)
    if (i % STEP_TEXTS === 0) yield
  }
  const edits = [...copies, ...quotes].map(({ pointer }): Edit => ({ pointer, value: text }))
  const written: Edit[] = []
  const said = yield * byConversation(json, newest)
  for (const [list, texts] of said) {
    const isKept = list !== undefined || written.length === 0
    const kept = isKept ? yield * keptOf(json, texts) : undefined
    for (const edit of yield * emptyTexts(json, texts.filter((one) => one !== kept), kept)) edits.push(edit)
    if (kept !== undefined) written.push({ pointer: kept.pointer, value: text })
  }
  for (const edit of written) edits.push(edit)
  const repeated = [...copies, ...quotes.filter((one) => isCopy(one.text))]
  return {
    // What is written last: two patterns of a rule may lead to one place.
    edits,
    replaced: [...said.map(([, texts]) => texts.map((one) => one.text)), ...repeated.map((one) => [one.text])],
  }
}

/** The edits that put one text in place of several that were said together. */
export function replaceTexts (json: unknown, texts: readonly LocatedText[], text: string): Edit[] {
  const kept = toEnd(keptOf(json, texts))
  if (kept === undefined) return []
  const others = texts.filter((one) => one !== kept)
  return [...toEnd(emptyTexts(json, others, kept)), { pointer: kept.pointer, value: text }]
}

function * keptOf (json: unknown, texts: readonly LocatedText[]): Steps<LocatedText | undefined> {
  for (const [i, one] of texts.entries()) {
    if (isOwnText(json, one)) return one
    if (i % STEP_TEXTS === 0) yield
  }
  return texts[0]
}

/** By the list that a text's message is in, those outside of lists at the end. */
function * byConversation (
  json: unknown, texts: readonly LocatedText[]
): Steps<[list: unknown, texts: LocatedText[]][]> {
  const lists = new Map<unknown, LocatedText[]>()
  const outside: LocatedText[] = []
  for (const [i, text] of texts.entries()) {
    const list = listOf(json, text)
    const members = list === undefined ? outside : lists.get(list) ?? []
    members.push(text)
    if (list !== undefined) lists.set(list, members)
    if (i % STEP_TEXTS === 0) yield
  }
  return [...lists, [undefined, outside]]
}
