import type { Collection, Document, Filter } from 'mongodb'
import { endOf } from '../../bans/bans.js'
import type { Ban } from '../../bans/contract.js'
import { inPieces } from './ban-collection.js'
import { BACKEND_KEYS, readBackendRow, rowKeyOf } from './backend-row.js'
import type { Keyed } from './mongo.js'

/** Each costs some hundred bytes in every process; no app has so many users banned. */
const MAX_ROWS = 50_000
const BATCH = 1000
/** The server gives up after that time: an app whose collection has no index on `key` has it searched whole. */
const DEADLINE_MS = 4000

/** The bans in force of the app, by the subject under which they are kept here. */
export type BackendBans = Map<string, Ban>

/** The app's own rows of bans: they are read, nothing else. Each call rejects while the server is away. */
export interface BackendRows {
  /** `isWhole` false: there are more than we take. */
  all (now: number): Promise<{ readonly bans: BackendBans, readonly isWhole: boolean }>
  /** Those of some users. */
  of (userIds: readonly string[], now: number): Promise<BackendBans>
}

export function createBackendRows (logs: Collection<Keyed>, maxRows = MAX_ROWS): BackendRows {
  const options = {
    projection: { _id: 1, key: 1, value: 1, expiresAt: 1 }, batchSize: BATCH, maxTimeMS: DEADLINE_MS, limit: maxRows,
  }

  /** Answers how many rows there were. */
  async function read (key: Document, now: number, bans: BackendBans): Promise<number> {
    // Those that have run out may lie there for ever: the app deletes one when it next looks at it.
    const filter: Filter<Keyed> = { key, expiresAt: { $not: { $lte: new Date(now) } } }
    let rows = 0
    for await (const row of logs.find(filter, options)) {
      rows++
      const ban = readBackendRow(row, now)
      const before = ban === undefined ? undefined : bans.get(ban.subject)
      if (ban !== undefined && (before === undefined || outlasts(ban, before))) bans.set(ban.subject, ban)
    }
    return rows
  }

  return {
    async all (now) {
      const bans: BackendBans = new Map()
      const rows = await read(BACKEND_KEYS, now, bans)
      return { bans, isWhole: rows < maxRows }
    },
    async of (userIds, now) {
      const bans: BackendBans = new Map()
      for (const piece of inPieces(userIds.map(rowKeyOf))) await read({ $in: piece }, now, bans)
      return bans
    },
  }
}

/** Nothing keeps the app from writing two rows with one key. */
function outlasts (one: Ban, other: Ban): boolean {
  const by = endOf(one) - endOf(other)
  return by > 0 || (by === 0 && String(one.row) > String(other.row))
}
