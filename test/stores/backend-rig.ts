/** The chat app, as far as it writes its own bans into `logs` (reference librechat.md §3.3). */
import type { Collection } from 'mongodb'
import type { Keyed } from '../../src/stores/mongo/mongo.js'

export const HOUR = 3_600_000

export interface RowOptions {
  /** Members beside, or in place of, those that the app writes. */
  readonly record?: object
  readonly expires?: unknown
  readonly expiresAt?: unknown
}

/** What `banViolation` of the app leaves behind for a user or an address. */
export function rowOf (subject: string, until: number, { record = {}, ...rest }: RowOptions = {}) {
  const value = { type: 'message_limit', violation_count: 20, duration: 2 * HOUR, expiresAt: until, ...record }
  const expires = 'expires' in rest ? rest.expires : until
  return {
    key: `BANS:${subject}`,
    value: JSON.stringify({ value, expires }),
    expiresAt: 'expiresAt' in rest ? rest.expiresAt : new Date(until),
  }
}

export type Row = Readonly<Record<string, unknown>>

/** The app's view of the collection that it shares with us. Its documents have ids of the server's kind. */
export function openApp (logs: Collection<Keyed>) {
  const collection = logs.db.collection('logs')
  return {
    insert: async (...rows: Row[]) => { await collection.insertMany(rows.map((row) => ({ ...row }))) },
    /** As the app's store does it: a new value under the same key, in the same document. */
    set: async (row: Row) => { await collection.updateOne({ key: row['key'] }, { $set: row }, { upsert: true }) },
    remove: async (subject: string) => { await collection.deleteMany({ key: `BANS:${subject}` }) },
    /** Everything that is not ours, in text. */
    everything: async () => JSON.stringify(await collection.find({ key: { $not: /^portcullis:/ } }).sort({ _id: 1 }).toArray()),
  }
}
