import type { PointerPattern, PromptRule, PromptScope } from './contract.js'
import { runsOf, type Keep, type Run } from './conversation.js'
import { visitValues } from './members.js'
import { visitTexts } from './texts.js'

/** The texts of a JSON body, as they are kept, each message in a list of its own. */
export interface FoundTexts<T> {
  /** What the person says now. */
  readonly newest: readonly T[]
  /** What was said before, as far as the scope goes. */
  readonly older: readonly (readonly T[])[]
  /** Instructions and the like; of the scope `all` alone. */
  readonly rest: readonly T[]
}

/** Finds what a rule looks for. Takes time linear in the body. Never throws. */
export function findTexts<T> (
  json: unknown, { rule, scope }: { readonly rule: PromptRule, readonly scope: PromptScope }, keep: Keep<T>
): FoundTexts<T> {
  const conversations = rule.conversations.flatMap((one) => runsOf(json, one, keep))
  const said = conversations.flatMap((runs) => runs.findLast(isByUser)?.texts ?? [])
  return {
    newest: [...said, ...textsAt(json, rule.texts, keep)],
    older: scope === 'last' ? [] : conversations.flatMap((runs) => olderRuns(runs, scope).map(({ texts }) => texts)),
    rest: scope === 'all' ? textsAt(json, rule.rest, keep) : [],
  }
}

/** Messages without text are no message: the one before them is still the newest. */
function isByUser<T> ({ byUser, texts }: Run<T>): boolean {
  return byUser && texts.length > 0
}

/** All runs of the scope but the person's newest. */
function olderRuns<T> (runs: readonly Run<T>[], scope: PromptScope): readonly Run<T>[] {
  const newest = runs.findLast(isByUser)
  return runs.filter((run) => run !== newest && (run.byUser || scope === 'all'))
}

function textsAt<T> (json: unknown, patterns: readonly PointerPattern[], keep: Keep<T>): T[] {
  const texts: T[] = []
  for (const pattern of patterns) {
    visitValues(json, pattern, (value, path) => {
      visitTexts(value, path, (text, at) => { texts.push(keep(text, at, 0)) })
    })
  }
  return texts
}
