import { MongoServerError, type Collection, type Document } from 'mongodb'
import type { Log } from '../../log.js'
import { BAN_KEYS } from './ban-documents.js'
import { faultOf } from './faults.js'
import type { Keyed } from './mongo.js'

const INDEX = 'portcullis_ban_expiry'

/**
 * Sees to it that the server deletes our expired documents: a TTL index that holds only our keys. Answers false where
 * the server cannot do that or grants us no index, so that somebody else must. Rejects while the server is away.
 */
export async function ensureExpiry (logs: Collection<Keyed>, log: Log): Promise<boolean> {
  try {
    return await tryExpiry(logs, log)
  } catch (error) {
    if (!(error instanceof MongoServerError)) throw error
    log.info(faultOf(error), 'MongoDB does not expire our ban documents by an index: we delete them ourselves')
    return false
  }
}

async function tryExpiry (logs: Collection<Keyed>, log: Log): Promise<boolean> {
  if (isOurs(await indexOf(logs))) return true
  await logs.createIndex({ expiresAt: 1 }, {
    name: INDEX, expireAfterSeconds: 0, partialFilterExpression: { key: BAN_KEYS },
  })
  const made = await indexOf(logs)
  if (isOurs(made)) return true
  // Without the filter it would take the chat app's own documents.
  if (made !== undefined) await logs.dropIndex(INDEX)
  log.info({ index: INDEX }, 'MongoDB ignored a part of our index, it is gone: we delete expired documents ourselves')
  return false
}

async function indexOf (logs: Collection<Keyed>): Promise<Document | undefined> {
  return (await logs.listIndexes().toArray()).find(({ name }) => name === INDEX)
}

function isOurs (index: Document | undefined): boolean {
  const range: Document | undefined = index?.['partialFilterExpression']?.['key']
  return index?.['expireAfterSeconds'] === 0 && range?.['$gte'] === BAN_KEYS.$gte && range['$lt'] === BAN_KEYS.$lt
}
