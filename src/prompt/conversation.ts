import type { ConversationRule } from './contract.js'
import { isSameName, visitValues } from './members.js'
import { addTexts } from './texts.js'

/** What one side says before the other side does: a message, or several. */
export interface Run {
  readonly byUser: boolean
  readonly texts: string[]
}

/**
 * The conversations that a body carries where the rule looks, each as its runs, the oldest first. There are several
 * where keys differ only in their case: each may be the one that a backend reads.
 */
export function conversationsOf (json: unknown, rule: ConversationRule): Run[][] {
  const conversations: Run[][] = []
  visitValues(json, rule.list, (list) => {
    const runs: Run[] = []
    for (const message of Array.isArray(list) ? list : [list]) addMessage(runs, message, rule)
    conversations.push(runs)
  })
  return conversations
}

function addMessage (runs: Run[], message: unknown, rule: ConversationRule): void {
  const isMap = typeof message === 'object' && message !== null && !Array.isArray(message)
  if (!isMap && typeof message !== 'string' && !Array.isArray(message)) return
  // A text, or parts, in the place of a message or of the whole list is what the person says now.
  const byUser = !isMap || isByUser(message, rule)
  const last = runs.at(-1)
  // What others say is never taken together: nobody reads it as one.
  const run = byUser && last?.byUser === true ? last : { byUser, texts: [] }
  if (run !== last) runs.push(run)
  if (!isMap) return addTexts(run.texts, message)
  for (const pattern of rule.texts) visitValues(message, pattern, (value) => addTexts(run.texts, value))
}

/**
 * Whoever does not say who speaks, speaks for the person: backends fill it in so. The case of roles does not count,
 * and of several roles (in keys of different case) one suffices.
 */
function isByUser (message: object, { role, users }: ConversationRule): boolean {
  const said: string[] = []
  visitValues(message, role, (value) => {
    if (typeof value === 'string' || typeof value === 'boolean') said.push(String(value).trim())
  })
  return said.length === 0 || said.some((name) => name === '' || isOneOf(users, name))
}

function isOneOf (users: ReadonlySet<string>, name: string): boolean {
  if (users.has(name)) return true
  for (const user of users) if (isSameName(user, name)) return true
  return false
}
