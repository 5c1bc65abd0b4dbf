import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import type { Exchange } from '../exchange.js'
import type { Decision } from './contract.js'

/** Addresses and paths that are remembered, each for a moment only; of more, the oldest are counted again. */
const KEPT = 10_000
/** A longer path is always counted, so that hostile ones fill no memory. */
const LONGEST_PATH = 256

/**
 * The impatient second click on a sign-in link: a GET of an address that repeats the path of its last counted GET is
 * forwarded uncounted (reference librechat.md §9, last row). Kept per process.
 */
export interface Forgiveness {
  /** Whether this request is not counted; if so, it says where the limiters stood with the counted one. */
  forgives (exchange: Exchange): boolean
  /** Whether `forgives` said so; a look. */
  hasForgiven (exchange: Exchange): boolean
  /** The request was counted and admitted: what soon repeats it is forgiven. */
  noteCounted (exchange: Exchange, decision: Decision): void
}

interface Counted {
  readonly at: number
  readonly decision: Decision
}

/** @param withinMs how soon after the counted request a repetition must come */
export function createForgiveness (withinMs: number, clock: Clock): Forgiveness {
  const counted = new LRUCache<string, Counted>({ max: KEPT })
  const forgiven = new WeakSet<Exchange>()
  return {
    forgives (exchange) {
      const key = keyOf(exchange)
      const last = key === undefined ? undefined : counted.get(key)
      const age = last === undefined ? withinMs : clock() - last.at
      if (last === undefined || age < 0 || age >= withinMs) return false
      forgiven.add(exchange)
      exchange.decision = last.decision
      return true
    },
    hasForgiven: (exchange) => forgiven.has(exchange),
    noteCounted (exchange, decision) {
      const key = keyOf(exchange)
      if (key === undefined || decision.states.length === 0) return
      counted.set(key, { at: clock(), decision: withoutCharges(decision) })
    },
  }
}

function keyOf ({ method, identity, target }: Exchange): string | undefined {
  if (method !== 'GET' || target.path.length > LONGEST_PATH) return undefined
  return `${identity.client.subject} ${target.path}`
}

/** A forgiven request took no place: none can be given back for it. */
function withoutCharges (decision: Decision): Decision {
  return { ...decision, states: decision.states.map((state) => ({ ...state, charged: 0 })) }
}
