import { LRUCache } from 'lru-cache'
import type { AddressUsers } from './contract.js'

/** Being seen again so soon is not news. */
const NEWS_AFTER_MS = 60_000
const MAX_ADDRESSES = 10_000
/** Beyond so many users an address is shared by any measure. */
const MAX_USERS_PER_ADDRESS = 500
/** Pairs of user and address in all, some hundred bytes each. */
const MAX_PAIRS = 200_000

/** `AddressUsers` of this process alone: in memory, bounded, answering at once. */
export interface LocalAddressUsers extends AddressUsers {
  /** True when it is news: the user was not seen on the address in the last minute. */
  seen (address: string, userId: string, now: number): boolean
  banned (address: string, userId: string, now: number): void
  seenSince (address: string, since: number, besides: string | undefined): readonly string[]
  bannedSince (address: string, since: number): number
  /** The users banned on the address at or after `since`. */
  usersBannedSince (address: string, since: number): readonly string[]
}

/** User id → instant, the latest at the end. */
type Sightings = Map<string, number>

export function createAddressUsers (): LocalAddressUsers {
  const seenOn = createSightings()
  const bannedOn = createSightings()
  return {
    seen: (address, userId, now) => {
      const before = seenOn.get(address)?.get(userId)
      const isNews = before === undefined || now - before >= NEWS_AFTER_MS
      if (isNews) seenOn.note(address, userId, now)
      return isNews
    },
    banned: bannedOn.note,
    seenSince: (address, since, besides) => recent(seenOn.get(address), since).filter((id) => id !== besides),
    bannedSince: (address, since) => recent(bannedOn.get(address), since).length,
    usersBannedSince: (address, since) => recent(bannedOn.get(address), since),
  }
}

function recent (sightings: Sightings | undefined, since: number): string[] {
  return [...sightings ?? []].filter(([, at]) => at >= since).map(([userId]) => userId)
}

function createSightings () {
  let pairs = 0
  const addresses = new LRUCache<string, Sightings>({
    max: MAX_ADDRESSES, dispose: (sightings) => { pairs -= sightings.size },
  })
  return {
    get: (address: string) => addresses.get(address),
    note: (address: string, userId: string, now: number): void => {
      let sightings = addresses.get(address)
      if (sightings === undefined) addresses.set(address, sightings = new Map())
      pairs -= sightings.size
      sightings.delete(userId)
      sightings.set(userId, now)
      if (sightings.size > MAX_USERS_PER_ADDRESS) sightings.delete(sightings.keys().next().value as string)
      pairs += sightings.size
      if (pairs > MAX_PAIRS) addresses.pop()
    },
  }
}
