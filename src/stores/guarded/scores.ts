/**
 * Scores while the shared store may be away: what it cannot book is booked in process, so that bans go on being placed,
 * and kept for it.
 */
import type { Booking } from '../../verdict/verdict.js'
import type { BookRequest, ScoreRecord, ScoreStore } from '../../violations/contract.js'
import type { Errand, Gate } from './gate.js'
import type { LocalScores } from './local.js'
import type { ViolationOutbox } from './violation-outbox.js'

/** Operators wait longer than requests: a whole list takes its time. */
const LIST_PATIENCE_MS = 5_000

export interface GuardedScoresOptions {
  readonly remote: ScoreStore
  readonly local: LocalScores
  readonly gate: Gate
  readonly outbox: ViolationOutbox
}

interface Reset { readonly subject: string, readonly type: string | undefined }
interface CleanQuestion { readonly subjects: readonly string[], readonly since: number }

/**
 * Never rejects for the store's sake. While it is away, `list` and `cleanSince` know what was booked in process since,
 * and a reset is done when it returns.
 */
export function guardScores ({ remote, local, gate, outbox }: GuardedScoresOptions): ScoreStore {
  const book: Errand<BookRequest, Booking> = {
    send: (request) => remote.book(request),
    instead (request) {
      outbox.keep(request)
      return local.book(request)
    },
  }
  const list: Errand<string | undefined, readonly ScoreRecord[]> = {
    send: (subject) => remote.list(subject),
    instead: (subject) => local.list(subject),
    patienceMs: LIST_PATIENCE_MS,
  }
  const cleanSince: Errand<CleanQuestion, readonly string[]> = {
    send: ({ subjects, since }) => remote.cleanSince(subjects, since),
    instead: ({ subjects, since }) => local.cleanSince(subjects, since),
  }
  const reset: Errand<Reset, void> = {
    send: ({ subject, type }) => remote.reset(subject, type),
    instead: ({ subject, type }) => outbox.keepReset(subject, type),
  }
  return {
    book: (request) => gate(book, request),
    list: (subject) => gate(list, subject),
    cleanSince: (subjects, since) => gate(cleanSince, { subjects, since }),
    reset (subject, type) {
      local.reset(subject, type)
      // Once more behind the violations of before that still wait.
      if (outbox.forgive(subject, type)) outbox.keepReset(subject, type)
      return gate(reset, { subject, type })
    },
  }
}
