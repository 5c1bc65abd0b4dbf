import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Log } from '../log.js'
import type { BanBook } from './contract.js'
import { importedIdOf } from './imported.js'

/** Lifts between two breaths. */
const STRIDE = 1000
const BY_POLICY = 'policy'

export interface ForgetImportedDeps {
  readonly book: Pick<BanBook, 'all' | 'lift'>
  readonly log: Log
  /** Asked from time to time: false ends it. */
  readonly isWanted?: () => boolean
}

/**
 * Lifts whatever was taken over of the backend, for those who take over nothing: a thousand when this returns. Never
 * rejects; resolves when durable.
 */
export async function forgetImported ({ book, log, isWanted = () => true }: ForgetImportedDeps): Promise<void> {
  const subjects = importedSubjects(book)
  if (subjects.length === 0) return
  log.info({ bans: subjects.length }, 'bans of the chat app are not taken over any more: lifted')
  try {
    await liftAll(book, subjects, { by: BY_POLICY, isWanted })
  } catch (error) {
    log.error({ err: error }, 'bans that were taken over could not be lifted')
  }
}

/** The subjects under which bans of the backend are kept, pardoned ones too. */
export function importedSubjects (book: Pick<BanBook, 'all'>): string[] {
  const subjects: string[] = []
  for (const { subject } of book.all) if (importedIdOf(subject) !== undefined) subjects.push(subject)
  return subjects
}

interface LiftAllOptions {
  readonly by: string
  /** Asked before each thousand: false ends it. */
  readonly isWanted: () => boolean
}

/** Lifts many, without keeping requests waiting. Resolves when durable. */
export async function liftAll (
  book: Pick<BanBook, 'lift'>, subjects: readonly string[], { by, isWanted }: LiftAllOptions
): Promise<void> {
  for (let from = 0; from < subjects.length && isWanted(); from += STRIDE) {
    await Promise.all(subjects.slice(from, from + STRIDE).map((subject) => book.lift(subject, { by })))
    await nextTurn()
  }
}
