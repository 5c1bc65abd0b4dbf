import type { Ban } from '../bans/contract.js'
import type { Exchange } from '../exchange.js'
import { userSubject } from '../identity/contract.js'

/** A request whose answer, or WebSocket, is still under way. */
interface OpenExchange {
  readonly exchange: Exchange
  /** Where it stands in the list. */
  index: number
  /** Ends it towards client and backend. */
  close (): void
}

export interface OpenExchanges {
  /** Called when a request is handed to the forwarder. */
  add (exchange: Exchange, close: () => void): OpenExchange
  remove (open: OpenExchange): void
  /** Closes what the ban turns away; answers how many. `covers` tells whether a ban of an address holds for another. */
  closeFor (ban: Ban, covers: (subject: string, address: string) => boolean): number
  /** Closes everything: the grace of a shutdown is over. */
  closeAll (): void
  readonly size: number
}

/**
 * Everything that is being forwarded right now, so that a ban can end it. A walk per ban is cheap: bans are rare.
 * An array in which the last takes the place of the one that leaves: a Set that every request passes through keeps
 * its dead tables, and with them old exchanges, until a full collection.
 */
export function createOpenExchanges (): OpenExchanges {
  const all: OpenExchange[] = []
  const remove = (open: OpenExchange) => {
    if (all[open.index] !== open) return
    const last = all.pop() as OpenExchange
    if (last === open) return
    all[open.index] = last
    last.index = open.index
  }
  const close = (open: OpenExchange) => {
    remove(open)
    open.close()
  }
  return {
    add: (exchange, close) => {
      const open = { exchange, close, index: all.length }
      all.push(open)
      return open
    },
    remove,
    closeFor: (ban, covers) => {
      const turnedAway = all.filter(({ exchange }) => isTurnedAway(exchange, ban, covers))
      turnedAway.forEach(close)
      return turnedAway.length
    },
    closeAll: () => { [...all].forEach(close) },
    get size () { return all.length },
  }
}

function isTurnedAway (
  { exempt, identity, policy }: Exchange, ban: Ban, covers: (subject: string, address: string) => boolean
): boolean {
  if (exempt || policy.mode !== 'enforce') return false
  if (identity.users.some((user) => ban.subject === userSubject(user.id))) return true
  return ban.subject.startsWith('ip:') && covers(ban.subject, identity.client.address)
}
