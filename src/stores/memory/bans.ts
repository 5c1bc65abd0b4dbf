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
  /** In the order in which they were saved, the latest last. */
  const bans = new Map<string, Ban>()
  const file = createSavedFile({ path, render: () => renderBans([...bans.values()]), delayMs: 0, log })

  function put (ban: Ban): void {
    bans.delete(ban.subject)
    bans.set(ban.subject, ban)
  }

  return {
    async load () {
      const kept = await readOwnFile({ path, parse: parseBans, clock, log }) ?? []
      kept.forEach(put)
      return kept
    },
    save (changed) {
      changed.forEach(put)
      return file.save()
    },
    remove (subjects) {
      for (const subject of subjects) bans.delete(subject)
      return file.save()
    },
    file,
  }
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
