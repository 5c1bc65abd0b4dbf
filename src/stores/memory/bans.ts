/** `bans.json`: `{"$format":1,"bans":[Ban, …]}`, instants in epoch milliseconds. */
import { join } from 'node:path'
import type { Ban, BanStore } from '../../bans/contract.js'
import { expectFormat, isRecord, readOwnFile } from '../../files/own-file.js'
import { createSavedFile, type SavedFile } from '../../files/saved-file.js'
import type { MemoryStoreOptions } from './memory-stores.js'

const FILE = 'bans.json'
const FORMAT = 1
const PIECE = 1000
const SOURCES: readonly unknown[] = ['auto', 'admin', 'mongo'] satisfies Ban['source'][]

export interface MemoryBans extends BanStore {
  readonly file: SavedFile
}

/** Bans on disk, synced before anybody is told that they are in force. Saving rejects when the disk does. */
export function createMemoryBans ({ dataDir, clock, log }: MemoryStoreOptions): MemoryBans {
  const path = join(dataDir, FILE)
  let bans: Iterable<Ban> = []
  /** What is to be saved, whether or not the book of bans has it already. */
  const changes = new Map<string, Change>()
  const file = createSavedFile({ path, render: () => renderBans(merged(bans, changes)), delayMs: 0, log })

  async function save (current: Iterable<Ban>): Promise<void> {
    bans = current
    const saved = new Map(changes)
    await file.save()
    for (const [subject, change] of saved) if (changes.get(subject) === change) changes.delete(subject)
  }

  return {
    async load () {
      const kept = await readOwnFile({ path, parse: parseBans, clock, log }) ?? []
      bans = kept
      return kept
    },
    save (changed, current) {
      for (const ban of changed) changes.set(ban.subject, { ban })
      return save(current)
    },
    remove (subjects, current) {
      for (const subject of subjects) changes.set(subject, { ban: undefined })
      return save(current)
    },
    file,
  }
}

/** A ban, or undefined for a lift. */
interface Change { readonly ban: Ban | undefined }

function merged (bans: Iterable<Ban>, changes: ReadonlyMap<string, Change>): Ban[] {
  const bySubject = new Map<string, Ban>()
  for (const ban of bans) bySubject.set(ban.subject, ban)
  for (const [subject, { ban }] of changes) {
    if (ban === undefined) bySubject.delete(subject)
    else bySubject.set(subject, ban)
  }
  return [...bySubject.values()]
}

function * renderBans (bans: readonly Ban[]): Iterable<string> {
  yield `{"$format":${FORMAT},"bans":[`
  for (let from = 0; from < bans.length; from += PIECE) {
    const lines = bans.slice(from, from + PIECE).map((ban) => JSON.stringify(ban))
    yield (from === 0 ? '\n' : ',\n') + lines.join(',\n')
  }
  yield '\n]}\n'
}

/** Throws when the file is none of ours or a ban in it cannot be read: rather look at it than let somebody in. */
function parseBans (content: unknown): readonly Ban[] {
  const { bans } = expectFormat(content, FORMAT)
  if (!Array.isArray(bans) || !bans.every(isBan)) throw new Error('"bans" does not hold bans')
  return bans
}

function isBan (value: unknown): value is Ban {
  return isRecord(value) &&
    typeof value['subject'] === 'string' && typeof value['violation'] === 'string' &&
    Number.isFinite(value['score']) && Number.isFinite(value['createdAt']) &&
    (value['expiresAt'] === null || Number.isFinite(value['expiresAt'])) &&
    SOURCES.includes(value['source']) &&
    Array.isArray(value['linked']) && value['linked'].every((subject) => typeof subject === 'string') &&
    (value['note'] === undefined || typeof value['note'] === 'string')
}
