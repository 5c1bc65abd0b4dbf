import { randomUUID } from 'node:crypto'
import type { Ban, BanBook } from '../../bans/contract.js'
import type { Clock } from '../../clock.js'
import type { Log } from '../../log.js'
import type { BanCollection, Look } from './ban-collection.js'
import type { BanQueue } from './ban-queue.js'
import { findDeleted } from './deleted-bans.js'
import type { Lifter } from './lifter.js'
import type { Recorder } from './recorder.js'

/** Other instances' clocks may be behind ours. */
const SWEEP_AFTER_MS = 5000

/** The two steps that bring book and collection together. Each rejects while the server is away. */
export interface BanSync {
  /** Lifts what was deleted there; changes nothing there. Always before anything is written again. */
  look (): Promise<void>
  /** Writes what the last look found missing, and what has changed since. */
  write (): Promise<void>
  /** Of the collection as it was last seen; undefined: it was never reached, or has just been emptied. */
  readonly incarnation: string | undefined
}

export interface BanSyncDeps {
  readonly collection: BanCollection
  readonly book: Pick<BanBook, 'all' | 'get'>
  readonly queue: BanQueue
  readonly recorder: Recorder
  readonly lifter: Lifter
  readonly expiry: {
    /** Makes the server delete expired documents; answers false where we must. */
    ensure (): Promise<boolean>
    readonly sweepEveryMs: number
  }
  readonly clock: Clock
  readonly log: Log
}

const EMPTY: Look = { incarnation: undefined, ends: new Map() }

export function createBanSync (deps: BanSyncDeps): BanSync {
  const { collection, book, queue, recorder, lifter, expiry, clock, log } = deps
  let incarnation: string | undefined
  /** The last look, until what it asks for is written. */
  let unsettled: { readonly asked: readonly Ban[], readonly found: Look } | undefined
  let wasUnmarked = false
  let expires: boolean | undefined
  let sweepAt = 0

  function standing (): Ban[] {
    const now = clock()
    return [...book.all].filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
  }

  /** The marker is gone: everything is written anew, but not into a collection that is just being emptied. */
  function begin (asked: readonly Ban[], hasDocuments: boolean): void {
    if (incarnation !== undefined) log.warn({}, 'the collection logs was emptied: nothing is lifted by that')
    incarnation = undefined
    unsettled = hasDocuments && !wasUnmarked ? undefined : { asked, found: EMPTY }
    wasUnmarked = hasDocuments
  }

  async function sweep (): Promise<void> {
    if (expires === true || performance.now() < sweepAt) return
    await collection.sweep(clock() - SWEEP_AFTER_MS)
    sweepAt = performance.now() + expiry.sweepEveryMs
  }

  return {
    async look () {
      const asked = standing()
      const found = await collection.look(asked.map(({ subject }) => subject))
      if (found.incarnation === undefined) return begin(asked, found.ends.size > 0)
      const deleted = await findDeleted({ collection, book, queue, clock }, asked, found)
      if (deleted === undefined) return begin(asked, true)
      if (incarnation !== found.incarnation) expires = undefined
      incarnation = found.incarnation
      unsettled = { asked, found }
      wasUnmarked = false
      if (deleted.length === 0) return
      log.info({ bans: deleted.length, some: deleted.slice(0, 10) }, 'ban documents were deleted in MongoDB: lifted')
      await lifter.lift(deleted)
    },
    async write () {
      if (incarnation === undefined) {
        if (unsettled === undefined) return
        incarnation = await collection.begin(randomUUID())
        expires = undefined
      }
      expires ??= await expiry.ensure()
      if (unsettled !== undefined) await recorder.settle(unsettled.asked, unsettled.found, incarnation)
      unsettled = undefined
      await recorder.writeChanges(incarnation)
      await sweep()
    },
    get incarnation () { return incarnation },
  }
}
