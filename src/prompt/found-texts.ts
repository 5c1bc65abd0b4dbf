import { visitValues } from '../json-members.js'
import type { PointerPattern } from '../json-pattern.js'
import type { PromptRule, PromptScope } from './contract.js'
import { newestOf, runsOf, type Keep, type Run } from './conversation.js'
import { visitTexts } from './texts.js'

/** The texts of a JSON body, as they are kept, each message in a list of its own. */
export interface FoundTexts<T> {
  /** What the person says now. */
  readonly newest: readonly T[]
  /** What was said before, as far as the scope goes. */
  readonly older: readonly (readonly T[])[]
  /** What the newest message points at, whatever the scope. */
  readonly quotes: readonly T[]
  /** Instructions and the like; of the scope `all` alone. */
  readonly rest: readonly T[]
}

/** Finds what a rule looks for. Takes time linear in the body. Never throws. */
export function findTexts<T> (
  json: unknown, { rule, scope }: { readonly rule: PromptRule, readonly scope: PromptScope }, keep: Keep<T>
): FoundTexts<T> {
  const conversations = rule.conversations.flatMap((one) => runsOf(json, one, keep))
  const said = conversations.flatMap((runs) => newestOf(runs).flatMap(({ texts }) => texts))
  return {
    newest: [...said, ...textsAt(json, rule.texts, keep)],
    older: scope === 'last' ? [] : conversations.flatMap((runs) => olderRuns(runs, scope).map(({ texts }) => texts)),
    quotes: textsAt(json, rule.quotes, keep),
    rest: scope === 'all' ? textsAt(json, rule.rest, keep) : [],
  }
}

/** All runs of the scope but the person's newest. */
function olderRuns<T> (runs: readonly Run<T>[], scope: PromptScope): readonly Run<T>[] {
  const newest = new Set(newestOf(runs))
  return runs.filter((run) => !newest.has(run) && (run.byUser || scope === 'all'))
}

/** All texts to which patterns lead. */
export function textsAt<T> (json: unknown, patterns: readonly PointerPattern[], keep: Keep<T>): T[] {
  const texts: T[] = []
  for (const pattern of patterns) {
    visitValues(json, pattern, (value, path) => {
      visitTexts(value, path, (text, at) => { texts.push(keep(text, at, 0)) })
    })
  }
  return texts
}
