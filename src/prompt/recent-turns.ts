import type { PromptRule } from './contract.js'
import { newestOf, runsOf, type Keep } from './conversation.js'
import type { PromptSource } from './extract-prompt.js'
import { isSaid } from './said.js'

export interface RecentTurn {
  readonly byUser: boolean
  readonly text: string
}

export interface RecentOptions {
  /** Messages. */
  readonly most: number
  /** What a text is read as; empty: as if it were not there. As it is written when absent. */
  readonly read?: Keep<string> | undefined
}

/**
 * What was said before the person's newest message, at most so many messages, the oldest first; what follows it counts
 * as said before, since it was there when the body was sent. Undefined where the body carries no conversation.
 */
export function recentTurns (
  { json }: PromptSource, rule: PromptRule, { most, read = asWritten }: RecentOptions
): readonly RecentTurn[] | undefined {
  const conversations = rule.conversations.flatMap((one) => runsOf(json, one, read))
  if (conversations.length === 0) return undefined
  return conversations.flatMap((runs) => {
    const newest = new Set(newestOf(runs))
    return runs.filter((run) => !newest.has(run) && run.texts.some(isSaid))
  }).slice(-most).map(({ byUser, texts }) => ({ byUser, text: texts.filter(isSaid).join('\n') }))
}

function asWritten (text: string): string {
  return text
}
