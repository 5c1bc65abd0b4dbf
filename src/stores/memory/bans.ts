/** Bans in process and in `bans.json`: the store of a gateway that runs alone, and what a replica keeps on disk. */
import { join } from 'node:path'
import { placedAtOf } from '../../bans/bans.js'
import type { Ban, BanStore } from '../../bans/contract.js'
import { readOwnFile } from '../../files/own-file.js'
import { createSavedFile, type SavedFile } from '../../files/saved-file.js'
import { parseBans, renderBans, type Contact, type KeptBans } from './bans-file.js'
import type { MemoryStoreOptions } from './memory-stores.js'

const FILE = 'bans.json'
/** Changes that nobody waits for are gathered so long. */
const GATHER_MS = 250
/** A day, and an hour for those who come back after just a day. */
export const LIFTS_KEPT_MS = 25 * 3_600_000
const MAX_LIFTS = 100_000

/** The changing methods change what is in memory at once; those that answer nothing leave the writing to the caller. */
export interface MemoryBans extends BanStore {
  readonly bans: ReadonlyMap<string, Ban>
  /** Subject → instant of its last lift, for a day; longer while the shared store may not have heard of it. */
  readonly lifts: ReadonlyMap<string, number>
  put (ban: Ban): void
  take (subject: string): void
  /** Remembers a lift; an earlier one changes nothing. Takes no ban away. */
  mark (subject: string, liftedAt: number): void
  /** Of a replica: when it was last in step with the shared store. */
  contact: Contact | undefined
  readonly file: SavedFile
}

export interface MemoryBansOptions extends Pick<MemoryStoreOptions, 'clock' | 'log'> {
  /** undefined: nothing is kept on disk. */
  readonly dataDir: string | undefined
}

/** Synced to the disk before anybody is told that they are in force. Saving rejects when the disk does. */
export function createMemoryBans ({ dataDir, clock, log }: MemoryBansOptions): MemoryBans {
  const path = dataDir === undefined ? undefined : join(dataDir, FILE)
  /** In the order in which they were saved, the latest last. */
  const bans = new Map<string, Ban>()
  const lifts = new Map<string, number>()
  let contact: Contact | undefined

  function put (ban: Ban): void {
    bans.delete(ban.subject)
    bans.set(ban.subject, ban)
  }

  function mark (subject: string, liftedAt: number): void {
    const latest = Math.max(liftedAt, lifts.get(subject) ?? 0)
    lifts.delete(subject)
    lifts.set(subject, latest)
    if (lifts.size > MAX_LIFTS) lifts.delete(lifts.keys().next().value as string)
  }

  function snapshot (): KeptBans {
    const known = Math.min(clock(), contact?.inStepAt ?? Infinity)
    for (const [subject, liftedAt] of lifts) if (liftedAt < known - LIFTS_KEPT_MS) lifts.delete(subject)
    return { bans: [...bans.values()], lifts: [...lifts], contact }
  }

  const render = () => renderBans(snapshot())
  const file = path === undefined ? NO_FILE : createSavedFile({ path, render, delayMs: GATHER_MS, log })
  return {
    async load () {
      const kept = path === undefined ? undefined : await readOwnFile({ path, parse: parseBans, clock, log })
      kept?.bans.forEach(put)
      for (const [subject, liftedAt] of kept?.lifts ?? []) mark(subject, liftedAt)
      contact = kept?.contact
      return kept?.bans ?? []
    },
    save (changed) {
      changed.forEach(put)
      return file.save()
    },
    remove (lifted) {
      for (const { subject, liftedAt } of lifted) {
        mark(subject, liftedAt)
        const ban = bans.get(subject)
        if (ban !== undefined && placedAtOf(ban) <= liftedAt) bans.delete(subject)
      }
      return file.save()
    },
    forget (subjects) {
      for (const subject of subjects) bans.delete(subject)
      return file.save()
    },
    liftedAt: (subject) => lifts.get(subject),
    bans,
    lifts,
    put,
    take: (subject) => { bans.delete(subject) },
    mark,
    get contact () { return contact },
    set contact (now) { contact = now },
    file,
  }
}

const done = () => Promise.resolve()
const NO_FILE: SavedFile = { touch: () => {}, save: done, flush: done, close: done }
