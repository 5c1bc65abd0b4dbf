import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import type { Exchange } from '../exchange.js'

/** Addresses and paths that are remembered, each for a moment only; of more, the oldest are counted again. */
const KEPT = 10_000
/** A longer path is always counted, so that hostile ones fill no memory. */
const LONGEST_PATH = 256
/** What only a provider's way back carries (OAuth 2, OpenID Connect, SAML): each of those is a try of its own. */
const MARKS_OF_CALLBACKS: ReadonlySet<string> = new Set(['code', 'state', 'error', 'token', 'samlresponse'])
/** Some backends read `code[]=1` and `code.x=1` as `code`. */
const MEMBER = /[[.].*$/s

/**
 * The impatient second click on a sign-in link: a GET of an address that repeats the path of its last counted GET is
 * forwarded uncounted, once (reference librechat.md §9, last row). Kept per process.
 */
export interface Forgiveness {
  /** Whether this request is not counted. It uses up what the counted one had to forgive. */
  forgives (exchange: Exchange): boolean
  /** Whether `forgives` said so; a look. */
  hasForgiven (exchange: Exchange): boolean
  /** The request was admitted: if it was counted, the next one that soon repeats it is forgiven. */
  noteCounted (exchange: Exchange): void
}

/** @param withinMs how soon after the counted request a repetition must come */
export function createForgiveness (withinMs: number, clock: Clock): Forgiveness {
  const countedAt = new LRUCache<string, number>({ max: KEPT })
  const forgiven = new WeakSet<Exchange>()
  return {
    forgives (exchange) {
      const key = keyOf(exchange)
      const last = key === undefined ? undefined : countedAt.get(key)
      if (key === undefined || last === undefined) return false
      countedAt.delete(key)
      const age = clock() - last
      if (age < 0 || age >= withinMs) return false
      forgiven.add(exchange)
      return true
    },
    hasForgiven: (exchange) => forgiven.has(exchange),
    noteCounted (exchange) {
      const key = forgiven.has(exchange) ? undefined : keyOf(exchange)
      if (key !== undefined) countedAt.set(key, clock())
    },
  }
}

/** Undefined: such a request neither forgives nor is forgiven. */
function keyOf ({ method, identity, target }: Exchange): string | undefined {
  if (method !== 'GET' || target.path.length > LONGEST_PATH || isCallback(target.query)) return undefined
  return `${identity.client.subject} ${target.path}`
}

function isCallback (query: string): boolean {
  if (query === '') return false
  return [...new URLSearchParams(query.replaceAll(';', '&')).keys()]
    .some((name) => MARKS_OF_CALLBACKS.has(name.trim().replace(MEMBER, '').toLowerCase()))
}
