import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BanBook } from '../../bans/contract.js'
import type { Log } from '../../log.js'
import type { ScoreStore } from '../../violations/contract.js'
import { inPieces } from './ban-collection.js'
import { faultOf } from './faults.js'

/** Scores that could not be reset yet; beyond it, they run out by themselves. */
const MAX_RESETS = 100_000

/** Frees those whose documents the operator deleted: the ban, the address bans that it caused, the scores. */
export interface Lifter {
  /** In force when this resolves; what must reach a store does so by itself. Never rejects. */
  lift (subjects: readonly string[]): Promise<void>
  /** Tries again the resets that failed. Never rejects. */
  retry (): Promise<void>
  /** Resolves once everything lifted so far has reached its store, or failed to. */
  settled (): Promise<void>
}

export interface LifterDeps {
  readonly book: Pick<BanBook, 'lift'>
  readonly scores: Pick<ScoreStore, 'reset'>
  readonly log: Log
}

export function createLifter ({ book, scores, log }: LifterDeps): Lifter {
  const failed = new Set<string>()
  const underWay = new Set<Promise<void>>()

  async function liftOne (subject: string): Promise<void> {
    const lifted = await book.lift(subject, { linked: true, by: 'mongo' })
    await Promise.all(lifted.map(reset))
  }

  async function reset (subject: string): Promise<void> {
    try {
      await scores.reset(subject)
      failed.delete(subject)
    } catch (error) {
      if (failed.size === 0) log.warn({ subject, ...faultOf(error) }, 'a lifted score could not be reset, it is tried again')
      if (failed.size < MAX_RESETS) failed.add(subject)
    }
  }

  function follow (work: Promise<void>): void {
    const done = work
      .catch((error: unknown) => { log.error({ err: error }, 'a ban could not be lifted') })
      .finally(() => { underWay.delete(done) })
    underWay.add(done)
  }

  return {
    async lift (subjects) {
      for (const piece of inPieces(subjects)) {
        // A store that is away must not keep the rest of them banned.
        for (const subject of piece) follow(liftOne(subject))
        await nextTurn()
      }
    },
    async retry () {
      for (const subject of [...failed].slice(0, 1000)) await reset(subject)
    },
    async settled () {
      await Promise.all(underWay)
    },
  }
}
