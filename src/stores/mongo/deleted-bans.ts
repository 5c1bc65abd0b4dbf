import { setTimeout as pause } from 'node:timers/promises'
import type { Ban, BanBook } from '../../bans/contract.js'
import type { Clock } from '../../clock.js'
import type { BanCollection, Look } from './ban-collection.js'
import { keyOf, receiptOf } from './ban-documents.js'
import type { BanQueue } from './ban-queue.js'

/** The server may have expired a document a moment before the ban ends here. */
const ENDS_SOON_MS = 3000
/** Whoever empties the whole collection deletes our marker too, but not at the same instant. */
const CONFIRM_MS = 250

export interface DeletedBansDeps {
  readonly collection: Pick<BanCollection, 'look'>
  readonly book: Pick<BanBook, 'get'>
  readonly queue: Pick<BanQueue, 'hasPlaced'>
  readonly clock: Clock
}

/**
 * Which of the bans the operator lifted by deleting their documents: those whose documents were acknowledged by the
 * very collection in which they are missing now. undefined: the collection itself was dropped or emptied meanwhile.
 */
export async function findDeleted (
  { collection, book, queue, clock }: DeletedBansDeps, asked: readonly Ban[], { incarnation, ends }: Look
): Promise<readonly string[] | undefined> {
  if (incarnation === undefined) return undefined
  const counts = (ban: Ban): boolean => ban.recorded === receiptOf(ban, incarnation) &&
    (ban.expiresAt === null || ban.expiresAt - clock() > ENDS_SOON_MS) && !queue.hasPlaced(ban.subject)
  const missing = asked.filter((ban) => !ends.has(keyOf(ban.subject)) && counts(ban)).map(({ subject }) => subject)
  if (missing.length === 0) return []
  await pause(CONFIRM_MS)
  const again = await collection.look(missing)
  if (again.incarnation !== incarnation) return undefined
  return missing.filter((subject) => {
    const ban = book.get(subject)
    return ban !== undefined && counts(ban) && !again.ends.has(keyOf(subject))
  })
}
