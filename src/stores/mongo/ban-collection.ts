import { MongoServerError, type AnyBulkWriteOperation, type Collection } from 'mongodb'
import type { Ban } from '../../bans/contract.js'
import { BAN_KEYS, documentOf, keyOf, MARKER_KEY, markerOf, subjectOf } from './ban-documents.js'
import { tookAll } from './faults.js'
import type { Keyed } from './mongo.js'

/** Documents that one command names: an answer of some hundred kilobytes at most. */
const PIECE = 1000
const DUPLICATE_KEY = 11000

/** What stands in the collection of what was asked about. */
export interface Look {
  /** undefined: the collection is new, was dropped or emptied. */
  readonly incarnation: string | undefined
  /** By key, of the documents that are there: when they end; null = for ever, or unreadable. */
  readonly ends: ReadonlyMap<string, number | null>
}

/** A lift whose document must go, unless it is of a ban that was placed after it. */
export interface Lifted {
  readonly subject: string
  readonly liftedAt: number
}

/** The ban documents. Every call names documents by our own keys; each rejects while the server is away. */
export interface BanCollection {
  look (subjects: Iterable<string>): Promise<Look>
  /** Puts the marker there and answers the incarnation that stands, which may be another instance's. */
  begin (incarnation: string): Promise<string>
  /** Answers which of the bans' documents are acknowledged. The server may refuse single ones. */
  put (bans: readonly Ban[]): Promise<readonly Ban[]>
  /** Answers the addresses whose documents still name one of these as the cause. */
  remove (lifts: readonly Lifted[]): Promise<readonly string[]>
  /** Deletes what ended before that instant. */
  sweep (endedBefore: number): Promise<void>
}

export function createBanCollection (logs: Collection<Keyed>): BanCollection {
  const fields = { projection: { _id: 1, expiresAt: 1, incarnation: 1 } }

  async function marker (): Promise<string | undefined> {
    return incarnationIn(await logs.findOne({ _id: MARKER_KEY }))
  }

  async function look (subjects: Iterable<string>): Promise<Look> {
    let incarnation: string | undefined
    const ends = new Map<string, number | null>()
    for (const keys of inPieces(keysOf(subjects))) {
      for (const found of await logs.find({ _id: { $in: keys } }, fields).toArray()) {
        if (found._id === MARKER_KEY) incarnation = incarnationIn(found)
        else ends.set(found._id, endIn(found))
      }
    }
    return { incarnation, ends }
  }

  const upserts = (bans: readonly Ban[]) => tookAll(() => logs.bulkWrite(bans.map(upsert), { ordered: false }))

  return {
    look,
    async begin (incarnation) {
      try {
        await logs.insertOne(markerOf(incarnation))
      } catch (error) {
        if (!(error instanceof MongoServerError) || error.code !== DUPLICATE_KEY) throw error
        // Another instance was first; or a marker that says nothing lies in the way.
        await logs.deleteOne({ _id: MARKER_KEY, incarnation: { $not: { $type: 'string' } } })
      }
      const standing = await marker()
      if (standing === undefined) throw new Error('the marker of the collection cannot be kept')
      return standing
    },
    async put (bans) {
      if (await upserts(bans)) return bans
      // Which of them were written only a look can tell: not every server goes on after an error.
      const { ends } = await look(bans.map(({ subject }) => subject))
      const written: Ban[] = []
      for (const ban of bans) {
        if (ends.get(keyOf(ban.subject)) === ban.expiresAt || await upserts([ban])) written.push(ban)
      }
      return written
    },
    async remove (lifts) {
      await logs.bulkWrite(lifts.map(deletion), { ordered: false })
      const causes = lifts.map(({ subject }) => keyOf(subject))
      const orphans = logs.find({ _id: BAN_KEYS, linkedTo: { $in: causes } }, { projection: { _id: 1 }, limit: PIECE })
      return (await orphans.toArray()).map(({ _id }) => subjectOf(_id))
    },
    async sweep (endedBefore) {
      await logs.deleteMany({ _id: BAN_KEYS, expiresAt: { $lt: new Date(endedBefore) } })
    },
  }
}

function * keysOf (subjects: Iterable<string>): Iterable<string> {
  yield MARKER_KEY
  for (const subject of subjects) yield keyOf(subject)
}

/** Pieces of at most a thousand, in order. */
export function * inPieces<Item> (items: Iterable<Item>): Iterable<Item[]> {
  let piece: Item[] = []
  for (const item of items) {
    if (piece.push(item) < PIECE) continue
    yield piece
    piece = []
  }
  if (piece.length > 0) yield piece
}

function upsert (ban: Ban): AnyBulkWriteOperation<Keyed> {
  const { _id, ...replacement } = documentOf(ban)
  return { replaceOne: { filter: { _id }, replacement, upsert: true } }
}

function deletion ({ subject, liftedAt }: Lifted): AnyBulkWriteOperation<Keyed> {
  return { deleteOne: { filter: { _id: keyOf(subject), createdAt: { $lte: new Date(liftedAt) } } } }
}

function incarnationIn (document: Keyed | null): string | undefined {
  const text: unknown = document?.['incarnation']
  return typeof text === 'string' ? text : undefined
}

function endIn (document: Keyed): number | null {
  const end: unknown = document['expiresAt']
  return end instanceof Date && !Number.isNaN(end.getTime()) ? end.getTime() : null
}
