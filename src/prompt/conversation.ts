import { isSameName, visitValues, type Path } from '../json-members.js'
import type { ConversationRule } from './contract.js'
import { isSaid } from './said.js'
import { visitTexts } from './texts.js'

/** What one side says before the other side does: a message, or several. */
export interface Run<T> {
  readonly byUser: boolean
  readonly texts: T[]
  /** One of its texts says something. */
  isSaid: boolean
}

/**
 * Makes of a text what is kept of it.
 * @param messageAt how many parts of its path lead to the message of a conversation that it is in; 0: it is in none.
 */
export type Keep<T> = (text: string, path: Path, messageAt: number) => T

/**
 * The conversations that a body carries where the rule looks, each as its runs, the oldest first, with what is kept of
 * each text. There are several where keys differ only in their case: each may be the one that a backend reads.
 */
export function runsOf<T> (json: unknown, rule: ConversationRule, keep: Keep<T>): Run<T>[][] {
  const conversations: Run<T>[][] = []
  visitValues(json, rule.list, (list, path) => {
    const runs: Run<T>[] = []
    if (Array.isArray(list)) {
      for (let i = 0; i < list.length; i++) {
        path.push(i)
        addMessage(list[i], { runs, rule, keep, path })
        path.pop()
      }
    } else addMessage(list, { runs, rule, keep, path })
    conversations.push(runs)
  })
  return conversations
}

/**
 * What the person says now. Messages that say nothing are no message: the one before them is still the newest, and they
 * belong to it.
 */
export function newestOf<T> (runs: readonly Run<T>[]): readonly Run<T>[] {
  const from = Math.max(0, runs.findLastIndex(({ byUser, isSaid }) => byUser && isSaid))
  return runs.slice(from).filter(({ byUser }) => byUser)
}

interface Place<T> {
  readonly runs: Run<T>[]
  readonly rule: ConversationRule
  readonly keep: Keep<T>
  readonly path: Path
}

function addMessage<T> (message: unknown, { runs, rule, keep, path }: Place<T>): void {
  const isMap = typeof message === 'object' && message !== null && !Array.isArray(message)
  if (!isMap && typeof message !== 'string' && !Array.isArray(message)) return
  // A text, or parts, in the place of a message or of the whole list is what the person says now.
  const byUser = !isMap || isByUser(message, rule)
  const last = runs.at(-1)
  // What others say is never taken together: nobody reads it as one.
  const run = byUser && last?.byUser === true ? last : { byUser, texts: [], isSaid: false }
  if (run !== last) runs.push(run)
  const messageAt = path.length
  const add = (text: string, at: Path): void => {
    run.isSaid ||= isSaid(text)
    run.texts.push(keep(text, at, messageAt))
  }
  if (!isMap) return visitTexts(message, path, add)
  for (const pattern of rule.texts) visitValues(message, pattern, (value) => { visitTexts(value, path, add) }, path)
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
