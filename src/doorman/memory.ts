import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import type { Turn } from './contract.js'
import { shortened } from './shortened.js'

const MOST_CONVERSATIONS = 5_000
/** UTF-16 units of one message that are kept, or shown as context: who said what matters, not every word. */
export const MOST_REMEMBERED = 1_000

/** What was said last, where bodies carry one message alone. In this process only, and for a while. */
export interface Memory {
  /** The last messages, the oldest first. */
  recall (conversation: string, count: number): readonly Turn[]
  remember (conversation: string, text: string, bounds: { readonly count: number, readonly forMs: number }): void
}

export function createMemory (clock: Clock): Memory {
  const conversations = new LRUCache<string, { readonly turns: readonly Turn[], readonly until: number }>({
    max: MOST_CONVERSATIONS,
  })
  const turnsOf = (conversation: string): readonly Turn[] => {
    const known = conversations.get(conversation)
    return known !== undefined && clock() < known.until ? known.turns : []
  }
  return {
    recall: (conversation, count) => count === 0 ? [] : turnsOf(conversation).slice(-count),
    remember (conversation, text, { count, forMs }) {
      if (count === 0 || forMs === 0) return
      const turn: Turn = { from: 'person', text: shortened(text, MOST_REMEMBERED) }
      conversations.set(conversation, {
        turns: [...turnsOf(conversation), turn].slice(-count), until: clock() + forMs,
      })
    },
  }
}
