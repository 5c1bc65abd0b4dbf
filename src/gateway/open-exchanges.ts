import type { Ban } from '../bans/contract.js'
import type { Exchange } from '../exchange.js'
import { addressParts, networkTest, parseNetwork, type AddressParts } from '../identity/address.js'
import { userIdOf } from '../identity/contract.js'

const ADDRESS = 'ip:'
const nothing = () => {}

/** Why something under way is closed from our side. */
export type CloseReason = 'ban' | 'shutdown'

/** A request whose answer, or WebSocket, is still under way. */
interface OpenExchange {
  /** Where it stands in the list. */
  index: number
  /** By whom a ban finds it; undefined when no ban turns it away. */
  readonly found: { readonly userIds: readonly string[], readonly address: string } | undefined
  /** Ends it towards client and backend; nothing once it has left, so that nobody keeps the request alive by it. */
  close: (why: CloseReason) => void
}

/** All that are open of one user, or of one address. */
interface Group {
  readonly members: Set<OpenExchange>
  /** The numbers of the address, once a ban of a network has asked for them. */
  parts: AddressParts | undefined
}

type Groups = Map<string, Group>

export interface OpenExchanges {
  /** Called when a request is handed to the forwarder. */
  add (exchange: Exchange, close: (why: CloseReason) => void): OpenExchange
  remove (open: OpenExchange): void
  /** Closes what the ban turns away; answers how many. */
  closeFor (ban: Ban): number
  /** Closes everything: the grace of a shutdown is over. */
  closeAll (): void
  readonly size: number
}

/**
 * Everything that is being forwarded right now, so that a ban can end it. By user and address, since thousands of bans may
 * come at once: a ban costs those whom it concerns, and that of a network a few comparisons for each address.
 * The list is an array in which the last takes the place of the one that leaves: Sets and Maps that every request passes
 * through keep dead tables until a full collection, so that those hold nothing of a request that is over.
 */
export function createOpenExchanges (): OpenExchanges {
  const all: OpenExchange[] = []
  const users: Groups = new Map()
  const addresses: Groups = new Map()

  function add (exchange: Exchange, close: (why: CloseReason) => void): OpenExchange {
    const open = { close, index: all.length, found: whoIs(exchange) }
    all.push(open)
    if (open.found === undefined) return open
    for (const id of open.found.userIds) join(users, id, open)
    join(addresses, open.found.address, open)
    return open
  }

  function remove (open: OpenExchange): void {
    if (all[open.index] !== open) return
    const last = all.pop() as OpenExchange
    if (last !== open) {
      all[open.index] = last
      last.index = open.index
    }
    open.close = nothing
    if (open.found === undefined) return
    for (const id of open.found.userIds) leave(users, id, open)
    leave(addresses, open.found.address, open)
  }

  function close (open: OpenExchange, why: CloseReason): void {
    const end = open.close
    remove(open)
    end(why)
  }

  function turnedAwayBy ({ subject }: Ban): readonly OpenExchange[] {
    const userId = userIdOf(subject)
    if (userId !== undefined) return [...users.get(userId)?.members ?? []]
    const address = subject.slice(ADDRESS.length)
    return address.includes('/') ? within(addresses, address) : [...addresses.get(address)?.members ?? []]
  }

  return {
    add,
    remove,
    closeFor: (ban) => {
      const turnedAway = turnedAwayBy(ban)
      for (const open of turnedAway) close(open, 'ban')
      return turnedAway.length
    },
    closeAll: () => { for (const open of [...all]) close(open, 'shutdown') },
    get size () { return all.length },
  }
}

/** The address is in its canonical spelling, as those of bans are. */
function whoIs ({ exempt, identity, policy }: Exchange): OpenExchange['found'] {
  if (exempt || policy.mode !== 'enforce') return undefined
  return { userIds: identity.users.map(({ id }) => id), address: identity.client.address }
}

function join (groups: Groups, name: string, open: OpenExchange): void {
  const group = groups.get(name)
  if (group === undefined) groups.set(name, { members: new Set([open]), parts: undefined })
  else group.members.add(open)
}

function leave (groups: Groups, name: string, open: OpenExchange): void {
  const members = groups.get(name)?.members
  members?.delete(open)
  if (members?.size === 0) groups.delete(name)
}

function within (addresses: Groups, cidr: string): readonly OpenExchange[] {
  const network = parseNetwork(cidr)
  const found: OpenExchange[] = []
  if (network === undefined) return found
  const isWithin = networkTest(network)
  addresses.forEach((group, address) => {
    group.parts ??= addressParts(address)
    if (isWithin(group.parts)) found.push(...group.members)
  })
  return found
}
