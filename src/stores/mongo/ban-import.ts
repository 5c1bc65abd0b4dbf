import { setImmediate as nextTurn } from 'node:timers/promises'
import { forgetImported, importedIdOf, importedSubjects, liftAll } from '../../bans/bans.js'
import type { Ban, BanBook } from '../../bans/contract.js'
import type { Clock } from '../../clock.js'
import type { Log } from '../../log.js'
import { inPieces } from './ban-collection.js'
import type { BackendRows } from './backend-rows.js'

const BY_BACKEND = 'backend'
const WARN_AGAIN_MS = 10 * 60_000

/** Takes over the bans that the chat app keeps itself (`bans.importFromBackend`), and lets go of them as it does. */
export interface BanImport {
  /** Brings the book to what the app's rows say; nothing while it is off. Rejects while the server is away. */
  look (): Promise<void>
  /**
   * Off where it was on: whatever was taken over is lifted, a thousand when this returns. Off from the beginning: only
   * where nobody else is, since it may be theirs.
   */
  turn (isOn: boolean): void
  readonly isOn: boolean
}

export interface BanImportDeps {
  readonly rows: BackendRows
  readonly book: Pick<BanBook, 'all' | 'get' | 'place' | 'lift'>
  /** Nobody else has the bans of the book. */
  readonly isAlone: boolean
  readonly clock: Clock
  readonly log: Log
}

export function createBanImport ({ rows, book, isAlone, clock, log }: BanImportDeps): BanImport {
  let isOn = false
  /** Whether there may be bans that we took over, here or before a restart. */
  let hasTaken = isAlone
  let forgotten = Promise.resolve()
  let warnAgainAt = 0

  async function look (): Promise<void> {
    await forgotten
    if (!isOn) return
    const { bans: wanted, isWhole } = await rows.all(clock())
    if (!isWhole) tellOfTooMany()
    const missing = importedSubjects(book).filter((subject) => !wanted.has(subject))
    // Asked about once more: they may be among the rows that were too many, or were being written anew.
    const found = missing.length === 0 ? undefined : await rows.of(missing.map(idOf), clock())
    for (const [subject, ban] of found ?? []) wanted.set(subject, ban)
    await letGo(missing.filter((subject) => !wanted.has(subject)))
    await takeOver(wanted.values())
  }

  async function letGo (subjects: readonly string[]): Promise<void> {
    if (subjects.length === 0 || !isOn) return
    log.info({ bans: subjects.length, some: subjects.slice(0, 10).map(idOf) }, 'bans of the chat app are gone: lifted')
    await liftAll(book, subjects, { by: BY_BACKEND, isWanted: () => isOn })
  }

  async function takeOver (bans: Iterable<Ban>): Promise<void> {
    const taken: Ban[] = []
    for (const piece of inPieces(bans)) {
      if (!isOn) return
      // Looked up just now: an operator may have lifted it on another instance meanwhile.
      const news = piece.filter(({ subject, row }) => book.get(subject)?.row !== row)
      if (news.length > 0) await replace(news)
      taken.push(...news)
      await nextTurn()
    }
    if (taken.length === 0) return
    const endless = taken.filter(({ expiresAt }) => expiresAt === null).length
    log.info({ bans: taken.length, some: taken.slice(0, 10).map(({ subject }) => idOf(subject)), endless },
      'bans of the chat app were taken over')
  }

  /** First goes what the row said before: of two bans that merge the later end would stay. Nobody gets in between. */
  async function replace (bans: readonly Ban[]): Promise<void> {
    const lifted = bans.map(({ subject }) => book.lift(subject, { by: BY_BACKEND }))
    await Promise.all([...lifted, book.place(bans)])
  }

  function tellOfTooMany (): void {
    if (performance.now() < warnAgainAt) return
    warnAgainAt = performance.now() + WARN_AGAIN_MS
    log.warn({}, 'the chat app has more bans than are taken over: it enforces the others alone')
  }

  return {
    look,
    turn (on) {
      isOn = on
      if (!on && hasTaken) forgotten = forgetImported({ book, log, isWanted: () => !isOn })
      hasTaken = on
    },
    get isOn () { return isOn },
  }
}

function idOf (subject: string): string {
  return importedIdOf(subject) ?? subject
}
