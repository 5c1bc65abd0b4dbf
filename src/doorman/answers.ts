import { createHmac } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import { normalizeText } from '../normalize-text.js'
import type { DoormanRules, JudgedMessage } from './contract.js'

const MOST_ANSWERS = 20_000
const BLANKS = /\s+/g
const LONGEST_NORMALISED = 16 * 1024

/** Answers of the last minutes, so that what is said twice is asked once. Holds no message, nor anything to guess one by. */
export interface Answers {
  /** What a message is known by: the same for the same words under the same rules. */
  keyOf (message: JudgedMessage, rules: DoormanRules): string
  /** The label that was given; undefined: none, or not any more. */
  find (key: string): string | undefined
  keep (key: string, label: string, forMs: number): void
}

/** @param secret of this process: without it nobody can try messages against the keys */
export function createAnswers (secret: Buffer, clock: Clock): Answers {
  const known = new LRUCache<string, { readonly label: string, readonly until: number }>({ max: MOST_ANSWERS })
  return {
    keyOf ({ text, quoted, context }, { fingerprint }) {
      const before = context.map((turn) => [turn.from, normalised(turn.text)])
      const said = [fingerprint, normalised(text), quoted.map(normalised), before]
      return createHmac('sha256', secret).update(JSON.stringify(said)).digest('base64')
    },
    find (key) {
      const answer = known.get(key)
      return answer !== undefined && clock() < answer.until ? answer.label : undefined
    },
    keep (key, label, forMs) {
      if (forMs > 0) known.set(key, { label, until: clock() + forMs })
    },
  }
}

/**
 * Composed letters, and blanks that are one. Nothing more: what a reader could tell apart has an answer of its own. Long
 * texts, which nobody says twice in two ways, stand as they are.
 */
function normalised (text: string): string {
  return text.length > LONGEST_NORMALISED ? text : normalizeText(text, 'NFC').replace(BLANKS, ' ').trim()
}
