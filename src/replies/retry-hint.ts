import type { Verdict } from '../verdict/verdict.js'
import type { Reply } from './contract.js'

/** As long as the clients themselves take a server at its word; whoever waits longer should be told instead. */
const LONGEST_WAIT_MS = 60_000

/**
 * The official clients of OpenAI and Anthropic send a refused request again by themselves, after `Retry-After` however
 * long that is, unless this header says no. A wait that is long, or that nobody can name, is for the person to know of,
 * and each attempt before its end would be one more violation. Faults are left to the clients' own rules.
 */
export function retryHint (verdict: Verdict): Reply['headers'] {
  if (verdict.kind === 'fault') return []
  const { status, retryAfterMs = Infinity } = verdict
  return status === 429 && retryAfterMs <= LONGEST_WAIT_MS ? [] : [['x-should-retry', 'false']]
}
