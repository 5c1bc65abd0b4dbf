import type { AddressUsers, LocalAddressUsers } from '../../bans/bans.js'
import type { Clock } from '../../clock.js'
import { within } from '../guarded/deadline.js'
import type { RedisClient, RedisLink } from './contract.js'
import { defineScript, runScript } from './scripts.js'

const NOTE = defineScript('address-users', [new URL('./address-users.lua', import.meta.url)])
/** Beyond so many users an address is shared by any measure. */
const MAX_USERS_PER_ADDRESS = 500
/** The longest time that is looked back. */
const KEPT_MS = 24 * 3_600_000
/** Sightings are gathered so long, so that a busy address costs one call. */
const GATHER_MS = 1000
/** Sightings that wait to be written; more are dropped, which makes an address look less shared. */
const MAX_WAITING = 10_000

export interface RedisAddressUsersOptions {
  readonly link: RedisLink
  /** What this instance has seen itself. */
  readonly local: LocalAddressUsers
  readonly clock: Clock
  /** How long a look at Redis may take; after that the memory of this instance is all there is. */
  readonly deadlineMs: number
}

export interface RedisAddressUsers extends AddressUsers {
  /** Sightings that were dropped since the start: Redis was away, or there were too many. */
  readonly dropped: number
  /** Writes what is gathered, now. Never rejects. */
  flush (): Promise<void>
  /** Writes what is gathered, and no more after that. */
  close (): Promise<void>
}

/** User id → instant. */
type Sightings = Map<string, number>

/** The users on an address as all instances have seen them, on top of what this one remembers. */
export function createRedisAddressUsers (options: RedisAddressUsersOptions): RedisAddressUsers {
  const { link, local, clock, deadlineMs } = options
  const seenKey = (address: string) => link.key(address, ':seen')
  const bannedKey = (address: string) => link.key(address, ':banned')
  let gathered = new Map<string, Sightings>()
  let waiting = 0
  let dropped = 0

  function gather (address: string, userId: string, now: number): void {
    if (!link.isConnected || waiting >= MAX_WAITING) {
      dropped++
      return
    }
    let sightings = gathered.get(address)
    if (sightings === undefined) gathered.set(address, sightings = new Map())
    if (!sightings.has(userId)) waiting++
    sightings.set(userId, now)
  }

  async function note (client: RedisClient, key: string, sightings: Sightings): Promise<void> {
    const pairs = [...sightings].flatMap(([userId, at]) => [at, userId])
    await runScript(client, NOTE, [key], [MAX_USERS_PER_ADDRESS, clock() - KEPT_MS, KEPT_MS, ...pairs])
  }

  async function flush (): Promise<void> {
    const batch = gathered
    gathered = new Map()
    waiting = 0
    await Promise.all([...batch].map(async ([address, sightings]) => {
      await note(link.calm, seenKey(address), sightings).catch(() => { dropped += sightings.size })
    }))
  }

  /** Redis' users and ours; ours alone when it does not answer in time. */
  async function union (ours: readonly string[], key: string, since: number): Promise<string[]> {
    if (!link.isConnected) return [...ours]
    const theirs = await within(deadlineMs, () => link.fast.zrangebyscore(key, since, '+inf')).catch(() => [])
    return [...new Set([...ours, ...theirs])]
  }

  const writing = setInterval(() => { flush().catch(() => {}) }, GATHER_MS).unref()
  return {
    seen: (address, userId, now) => {
      if (local.seen(address, userId, now)) gather(address, userId, now)
    },
    banned: async (address, userId, now) => {
      local.banned(address, userId, now)
      if (!link.isConnected) return
      await within(deadlineMs, () => note(link.fast, bannedKey(address), new Map([[userId, now]]))).catch(() => {})
    },
    seenSince: async (address, since, besides) => {
      const users = await union(local.seenSince(address, since, besides), seenKey(address), since)
      return users.filter((userId) => userId !== besides)
    },
    bannedSince: async (address, since) => {
      return (await union(local.usersBannedSince(address, since), bannedKey(address), since)).length
    },
    flush,
    get dropped () { return dropped },
    close: async () => {
      clearInterval(writing)
      await within(deadlineMs, flush).catch(() => {})
    },
  }
}
