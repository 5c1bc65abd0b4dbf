import { LRUCache } from 'lru-cache'
import type { Exchange } from '../exchange.js'
import { userIdOf, userSubject } from '../identity/contract.js'
import type { Log } from '../log.js'
import type { BanPlacer, Breach, ScoreStore } from '../violations/contract.js'
import type { Booking } from '../verdict/verdict.js'
import { createAddressGuard } from './address-guard.js'
import type { AddressUsers, Ban, BanBook } from './contract.js'

/** Addresses about which the operator was told; past that, the oldest may be told of again. */
const TOLD_ADDRESSES = 1000

export interface BanPlacerDeps {
  readonly book: BanBook
  readonly users: AddressUsers
  /** Knows who among an address's users has violations. */
  readonly scores: Pick<ScoreStore, 'cleanSince'>
  readonly log: Log
}

/** Turns a crossed score into the ban of the user and of the address it happened from, or of only one of them. */
export function createBanPlacer ({ book, users, scores, log }: BanPlacerDeps): BanPlacer {
  const guard = createAddressGuard({ users, scores })
  const told = new LRUCache<string, true>({ max: TOLD_ADDRESSES })
  return {
    banFor: async (exchange, breach, booking) => {
      const { bans: rules } = exchange.policy
      if (!rules.enabled || !(rules.durationMs > 0) || exchange.exempt || breach.shadow) return undefined
      const { subject: address, bannable } = exchange.identity.client
      const user = userIdOf(breach.subject)
      // Not waited for by itself: what is asked below goes out behind it.
      const noted = user === undefined ? undefined : users.banned(address, user, booking.at)
      if (!bannable && !told.has(address)) tellOfProxy(address)
      const spared = bannable
        ? await guard.whySpared({ address, user, rules, now: booking.at })
        : `${address} was spared: it is probably a proxy of ours`
      await noted
      const placed = bansFor({ exchange, breach, booking }, { users: namesOf(exchange, user), spared })
      log.info({ requestId: exchange.id, bans: placed.map((ban) => ban.subject), violation: breach.type, spared },
        placed.length > 0 ? 'banned' : 'nobody was banned')
      if (placed.length === 0) return undefined
      await book.place(placed)
      const [first] = placed as [Ban]
      return { durationMs: rules.durationMs, expiresAt: first.expiresAt }
    },
  }

  function tellOfProxy (address: string): void {
    told.set(address, true)
    log.warn({ address }, 'this private address sends forwarding headers but is not trusted: it is never banned by ' +
      'itself. If it is your proxy, name it in GATEWAY_TRUST_PROXY or client.trustedProxies')
  }
}

interface Occasion { readonly exchange: Exchange, readonly breach: Breach, readonly booking: Booking }

/** `users`: the names of one person, as subjects. */
interface Outcome { readonly users: readonly string[], readonly spared: string | undefined }

/** He is banned under both his names, so that he is whoever knows only one of them: another process, or this one later. */
function namesOf ({ identity }: Exchange, user: string | undefined): string[] {
  if (user === undefined) return []
  const alias = identity.users.find(({ id }) => id === user)?.alias
  return alias === undefined ? [userSubject(user)] : [userSubject(user), userSubject(alias)]
}

function bansFor ({ exchange, breach, booking }: Occasion, { users, spared }: Outcome): Ban[] {
  const address = exchange.identity.client.subject
  const common = {
    violation: breach.type,
    score: booking.after,
    createdAt: booking.at,
    expiresAt: booking.at + exchange.policy.bans.durationMs,
    source: 'auto',
  } as const
  const note = spared === undefined ? {} : { note: spared }
  const bans: Ban[] = []
  const addresses = spared === undefined ? [address] : []
  for (const subject of users) {
    const otherNames = users.filter((other) => other !== subject)
    bans.push({ ...common, subject, linked: [...otherNames, ...addresses], ...note })
  }
  // The name that he goes by last: it is the one that an address's document gives.
  for (const subject of addresses) bans.push({ ...common, subject, linked: users.toReversed() })
  return bans
}
