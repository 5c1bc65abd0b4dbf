/** How bans look in the collection `logs` (CONTRACT §6). The operator's commands rest on these fields. */
import type { Ban } from '../../bans/contract.js'
import { isUserSubject, userIdOf } from '../../identity/contract.js'
import type { Keyed } from './mongo.js'

const PREFIX = 'portcullis:ban:'
const ADDRESS = 'ip:'

/** Every key of a ban document, and nobody else's. */
export const BAN_KEYS = { $gte: PREFIX, $lt: 'portcullis:ban;' } as const

/** The document that tells this collection from one that was dropped and made again. */
export const MARKER_KEY = 'portcullis:collection'

export interface BanDocument extends Keyed {
  readonly key: string
  readonly type: 'ban'
  readonly user?: string
  readonly ip?: string
  /** Key of the user's document whose ban caused this address's. */
  readonly linkedTo?: string
  readonly violation: string
  readonly score: number
  /** Milliseconds; null = for ever. */
  readonly duration: number | null
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly source: Ban['source']
}

export interface MarkerDocument extends Keyed {
  readonly key: string
  readonly type: 'portcullis'
  readonly incarnation: string
}

/** The key is also the `_id`, so that two instances that write at once make one document, and no index is needed. */
export function keyOf (subject: string): string {
  // What is not well-formed would come back from the server as another text, and look as if it were missing.
  return (PREFIX + subject).toWellFormed()
}

/**
 * What a ban remembers of its acknowledged document: the collection's incarnation, and the end that stands in it. A ban
 * that was made longer is a ban whose document was not acknowledged yet.
 */
export function receiptOf (ban: Ban, incarnation: string): string {
  return `${incarnation} ${ban.expiresAt ?? 'forever'}`
}

export function subjectOf (key: string): string {
  return key.slice(PREFIX.length)
}

export function documentOf (ban: Ban): BanDocument {
  const key = keyOf(ban.subject)
  return {
    _id: key,
    key,
    type: 'ban',
    ...subjectFields(ban),
    violation: ban.violation,
    score: ban.score,
    duration: ban.expiresAt === null ? null : ban.expiresAt - ban.createdAt,
    createdAt: new Date(ban.createdAt),
    expiresAt: ban.expiresAt === null ? null : new Date(ban.expiresAt),
    source: ban.source,
  }
}

export function markerOf (incarnation: string): MarkerDocument {
  return { _id: MARKER_KEY, key: MARKER_KEY, type: 'portcullis', incarnation }
}

function subjectFields ({ subject, linked }: Ban): Pick<BanDocument, 'user' | 'ip' | 'linkedTo'> {
  const user = userIdOf(subject)
  if (user !== undefined) return { user }
  const holder = linked.findLast(isUserSubject)
  return { ip: subject.slice(ADDRESS.length), ...(holder === undefined ? {} : { linkedTo: keyOf(holder) }) }
}
