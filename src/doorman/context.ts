import type { Exchange } from '../exchange.js'
import { subjectOf, violationSubject } from '../identity/contract.js'
import { followPointer } from '../json-pointer.js'
import { recentTurns, type RecentOptions } from '../prompt/prompt.js'
import type { DoormanUse, Turn } from './contract.js'
import { MOST_REMEMBERED, type Memory } from './memory.js'
import { placeOf, type Readings } from './recall.js'
import { shortened } from './shortened.js'

/** Of what a client calls its conversation. */
const LONGEST_NAME = 200

interface Sources {
  readonly memory: Memory
  /** What the backend will read in places of the body, where that is not what is written. */
  readonly readings: Readings
}

/** What was said before: as the body has it, with what was replaced in it, else as it is remembered. */
export function contextOf (
  exchange: Exchange, { rules, prompt, conversation }: DoormanUse, { memory, readings }: Sources
): readonly Turn[] {
  const { context: count } = rules
  if (count === 0) return []
  const carried = recentTurns(exchange, prompt, { most: count, read: readerOf(readings) })
  if (carried === undefined) return memory.recall(conversationOf(exchange, conversation), count)
  return carried.map(({ byUser, text }): Turn => ({
    from: byUser ? 'person' : 'assistant', text: shortened(text, MOST_REMEMBERED),
  }))
}

/** Reads places of the body as the backend will. */
export function readerOf (readings: Readings): RecentOptions['read'] {
  return readings.size === 0 ? undefined : (text, path) => readings.get(placeOf(path)) ?? text
}

interface Forwarded { readonly memory: Memory, readonly text: string }

/** Remembers what goes on to the backend, where bodies will not tell. */
export function rememberForwarded (
  exchange: Exchange, { rules, prompt, conversation }: DoormanUse, { memory, text }: Forwarded
): void {
  if (prompt.conversations.length > 0) return
  memory.remember(conversationOf(exchange, conversation), text, { count: rules.context, forMs: rules.rememberMs })
}

/**
 * A conversation is of one subject, or of one group: what somebody calls his own must not put words into another's.
 */
function conversationOf (exchange: Exchange, pointers: DoormanUse['conversation']): string {
  const { identity, json } = exchange
  const whose = subjectOf('group', identity) ?? violationSubject(identity)
  for (const pointer of pointers) {
    const name = followPointer(json, pointer)
    const isName = typeof name === 'number' ||
      (typeof name === 'string' && name !== '' && name.length <= LONGEST_NAME)
    if (isName) return `${whose} ${name}`
  }
  return whose
}
