/** The bans of several instances on one Redis: each holds all of them, in memory and on its disk. */
import { randomUUID } from 'node:crypto'
import { placedAtOf } from '../../bans/bans.js'
import type { BanStore } from '../../bans/contract.js'
import type { Clock } from '../../clock.js'
import type { Log } from '../../log.js'
import { within } from '../guarded/deadline.js'
import type { MemoryBans } from '../memory/bans.js'
import { createBanFeed, type BanFeedStats } from './bans-feed.js'
import { createLocalBans } from './bans-local.js'
import { createBanOutbox } from './bans-outbox.js'
import { createRemoteBans } from './bans-remote.js'
import type { RedisLink } from './contract.js'

/** How long a start waits for a Redis that neither answers nor is away. */
const START_MS = 3000
const CLOSE_MS = 1000
const BY_PORTCULLIS = 'portcullis'

export interface RedisBansOptions {
  readonly link: RedisLink
  /** Where they survive without Redis. It is read by `load` and closed by `close`. */
  readonly disk: MemoryBans
  readonly clock: Clock
  readonly log: Log
  /** How long a change waits for Redis, once it is on the disk. */
  readonly deadlineMs: number
  /** Makes the name of a generation; a random one when absent. */
  newId? (): string
}

export interface RedisBansStats extends BanFeedStats {
  /** Subjects whose state Redis does not have yet. */
  readonly outbox: number
}

export interface RedisBans extends BanStore {
  stats (): RedisBansStats
  /** Sends what is still to be sent, within a second. Never rejects. */
  close (): Promise<void>
}

export function createRedisBans (options: RedisBansOptions): RedisBans {
  const { link, disk, clock, log, deadlineMs, newId = randomUUID } = options
  const reader = link.openBlocking()
  const remote = createRemoteBans({ link, feed: reader, newId })
  const local = createLocalBans({ disk, clock, log })
  const isConnected = () => link.isConnected
  const outbox = createBanOutbox({ remote, local, clock, log, isConnected })
  const hangUp = (isForGood: boolean) => reader.disconnect(!isForGood)
  const feed = createBanFeed({ remote, local, outbox, clock, disk, log, isConnected, hangUp })
  link.onConnection((isConnected) => { if (isConnected) feed.wake() })
  let isFollowed = false

  /** Resolves when Redis has them all, or at the deadline; answers whether it has. */
  async function send (subjects: readonly string[]): Promise<boolean> {
    if (!isFollowed || !link.isConnected) return false
    const sent = Promise.all(subjects.map((subject) => outbox.send(subject)))
    return await within(deadlineMs, () => sent).then(() => true, () => false)
  }

  /** The disk alone is enough, and so is Redis: from either, a ban comes back. */
  async function written (saving: Promise<void>, subjects: readonly string[]): Promise<void> {
    const [onDisk, inRedis] = await Promise.allSettled([saving, send(subjects)])
    if (onDisk.status === 'rejected' && !(inRedis.status === 'fulfilled' && inRedis.value)) throw onDisk.reason
  }

  return {
    load: disk.load,
    save: async (bans) => {
      // Others may have been lifted by another instance on their way here.
      const placed = bans.filter((ban) => placedAtOf(ban) > (disk.liftedAt(ban.subject) ?? 0))
      for (const ban of placed) outbox.note(ban.subject, BY_PORTCULLIS)
      await written(disk.save(placed), placed.map((ban) => ban.subject))
    },
    remove: async (lifts) => {
      for (const { subject, by } of lifts) outbox.note(subject, by)
      await written(disk.remove(lifts), lifts.map((lift) => lift.subject))
    },
    forget: async (subjects) => {
      const ranOut = subjects.map((subject) => disk.bans.get(subject)).filter((ban) => ban !== undefined)
      for (const { subject } of ranOut) disk.take(subject)
      disk.file.touch()
      if (!link.isConnected) return
      const now = clock()
      const ended = ranOut.map((ban) => {
        return { subject: ban.subject, json: JSON.stringify(ban), expiresAt: ban.expiresAt ?? now }
      })
      // Whatever stays behind goes with the next snapshot.
      remote.sweep(ended, now).catch(() => {})
    },
    liftedAt: disk.liftedAt,
    follow: async (replica) => {
      isFollowed = true
      local.follow(replica)
      await within(START_MS, () => feed.start()).catch(() => {})
    },
    stats: () => ({ ...feed.stats(), outbox: outbox.size }),
    close: async () => {
      if (link.isConnected) await within(CLOSE_MS, outbox.flush).catch(() => {})
      await feed.close()
      await disk.file.close()
    },
  }
}
