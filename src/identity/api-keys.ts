import { LRUCache } from 'lru-cache'
import { RE2JS } from 're2js'
import type { Clock } from '../clock.js'
import { keyUserId } from './user-id.js'

/** Longer texts are no keys, and no pattern ever runs on more. */
const MAX_KEY = 512
const KEYS_KEPT = 100_000
const KEPT_MS = 24 * 3_600_000

/** The keys that the backend took. Kept apart from identifiers, so that a reload of the policy does not forget them. */
export interface KnownKeys {
  /** @param id `key:<hash>`. */
  has (id: string): boolean
  add (id: string): void
}

/** Remembers the last 100,000 keys, each for a day after its last good answer. */
export function createKnownKeys (clock: Clock): KnownKeys {
  const keys = new LRUCache<string, true>({ max: KEYS_KEPT, ttl: KEPT_MS, ttlResolution: 0, perf: { now: clock } })
  return {
    has: (id) => keys.has(id),
    add: (id) => { keys.set(id, true) },
  }
}

/**
 * The user id of whoever holds this key; undefined when the text is no key.
 * @throws for a pattern that is not RE2's.
 * Without a pattern, whatever does not look like a JSON web token is one: tokens change, their holders do not.
 */
export function createKeyReader (pattern: string | undefined): (text: string) => string | undefined {
  if (pattern === undefined) return (text) => text.length > MAX_KEY || isTokenLike(text) ? undefined : keyUserId(text)
  // Clients choose the text, so the engine must be one whose time grows with the text alone.
  const expression = RE2JS.compile(pattern)
  return (text) => text.length <= MAX_KEY && expression.matcher(text).find() ? keyUserId(text) : undefined
}

function isTokenLike (text: string): boolean {
  return text.startsWith('eyJ') && text.split('.').length === 3
}
