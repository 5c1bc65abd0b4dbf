import type { Ban } from '../bans/contract.js'
import type { Exchange } from '../exchange.js'

/** A request whose answer, or WebSocket, is still under way. */
interface OpenExchange {
  readonly exchange: Exchange
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

/** Everything that is being forwarded right now, so that a ban can end it. A walk per ban is cheap: bans are rare. */
export function createOpenExchanges (): OpenExchanges {
  const all = new Set<OpenExchange>()
  return {
    add: (exchange, close) => {
      const open = { exchange, close }
      all.add(open)
      return open
    },
    remove: (open) => { all.delete(open) },
    closeFor: (ban, covers) => {
      let closed = 0
      for (const open of all) {
        if (!isTurnedAway(open.exchange, ban, covers)) continue
        all.delete(open)
        open.close()
        closed++
      }
      return closed
    },
    closeAll: () => {
      for (const open of all) open.close()
      all.clear()
    },
    get size () { return all.size },
  }
}

function isTurnedAway (
  { exempt, identity, policy }: Exchange, ban: Ban, covers: (subject: string, address: string) => boolean
): boolean {
  if (exempt || policy.mode !== 'enforce') return false
  if (identity.users.some((user) => ban.subject === `user:${user.id}`)) return true
  return ban.subject.startsWith('ip:') && covers(ban.subject, identity.client.address)
}
