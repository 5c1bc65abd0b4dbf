import type { Ban, BanBook } from '../../bans/contract.js'
import type { Log } from '../../log.js'
import { inPieces, type BanCollection, type Look } from './ban-collection.js'
import { keyOf, receiptOf } from './ban-documents.js'
import type { BanQueue } from './ban-queue.js'

const PIECE = 500
const WARN_AGAIN_MS = 10 * 60_000

/** Brings the collection to what the book says. Each call rejects while the server is away; nothing is lost by that. */
export interface Recorder {
  /** Carries out what has changed. */
  writeChanges (incarnation: string): Promise<void>
  /** Writes the bans among these that a look found to be missing or outdated, and marks those that are there. */
  settle (asked: readonly Ban[], look: Look, incarnation: string): Promise<void>
}

export interface RecorderDeps {
  readonly collection: Pick<BanCollection, 'put' | 'remove'>
  readonly book: Pick<BanBook, 'get' | 'markRecorded'>
  readonly queue: BanQueue
  readonly log: Log
}

export function createRecorder ({ collection, book, queue, log }: RecorderDeps): Recorder {
  let warnAgainAt = 0

  async function write (subjects: readonly string[], incarnation: string): Promise<void> {
    queue.dropPlaced(subjects)
    const bans = subjects.map((subject) => book.get(subject)).filter((ban) => ban !== undefined)
    if (bans.length === 0) return
    const written = await collection.put(bans)
    if (written.length < bans.length) tellRefused(bans.length - written.length)
    for (const ban of written) mark(ban, incarnation)
  }

  /** Not for a ban that has changed while it was written: its document is of what it was. */
  function mark (ban: Ban, incarnation: string): void {
    const now = book.get(ban.subject)
    if (now === undefined || now.expiresAt !== ban.expiresAt || now.createdAt !== ban.createdAt) return
    const receipt = receiptOf(ban, incarnation)
    if (now.recorded === receipt) return
    book.markRecorded(ban.subject, receipt).catch((error: unknown) => {
      log.warn({ err: error, subject: ban.subject }, 'a ban document was written, but that could not be noted')
    })
  }

  function tellRefused (refused: number): void {
    if (performance.now() < warnAgainAt) return
    warnAgainAt = performance.now() + WARN_AGAIN_MS
    log.warn({ refused }, 'MongoDB refused single ban documents, they are tried again')
  }

  async function remove (): Promise<void> {
    for (let lifts = queue.takeLifted(PIECE); lifts.length > 0; lifts = queue.takeLifted(PIECE)) {
      try {
        // Addresses that another banned user holds now name the wrong cause.
        for (const subject of await collection.remove(lifts)) queue.addChanged(subject)
      } catch (error) {
        queue.putBack(lifts)
        throw error
      }
    }
  }

  return {
    async writeChanges (incarnation) {
      await remove()
      for (let others = queue.takeRemote(PIECE); others.length > 0; others = queue.takeRemote(PIECE)) {
        await write(others.filter((subject) => !isRecorded(book.get(subject), incarnation)), incarnation)
      }
      for (let placed = queue.takePlaced(PIECE); placed.length > 0; placed = queue.takePlaced(PIECE)) {
        await write(placed, incarnation)
      }
    },
    async settle (asked, { ends }, incarnation) {
      const outdated: string[] = []
      for (const { subject } of asked) {
        // As it is by now: what others have recorded meanwhile and is missing was deleted.
        const ban = book.get(subject)
        if (ban === undefined || queue.isPlaced(subject)) continue
        const state = stateOf(ban, ends.get(keyOf(subject)), incarnation)
        if (state === 'there') mark(ban, incarnation)
        else if (state === 'outdated') outdated.push(subject)
      }
      for (const subjects of inPieces(outdated)) await write(subjects, incarnation)
    },
  }
}

/** Acknowledged as it is, by whichever instance wrote it: its document is not written again, since it may be deleted by now. */
function isRecorded (ban: Ban | undefined, incarnation: string): boolean {
  return ban !== undefined && ban.recorded === receiptOf(ban, incarnation)
}

/** @param end of the document; undefined: there is none. */
function stateOf (ban: Ban, end: number | null | undefined, incarnation: string): 'noted' | 'there' | 'outdated' {
  const isThere = end !== undefined
  if (!isRecorded(ban, incarnation)) return isThere && end === ban.expiresAt ? 'there' : 'outdated'
  // A later end is that of a gateway that shares nothing with us but this collection.
  return isThere && (end ?? Infinity) < (ban.expiresAt ?? Infinity) ? 'outdated' : 'noted'
}
