import type { Log } from '../log.js'
import type { Ban, BanStore } from './contract.js'

export interface BanWriterDeps {
  readonly store: BanStore
  readonly log: Log
}

/**
 * Brings changes to the store one batch after the other: what comes while a write runs shares the next one, so
 * that a thousand bans cost two writes, and an older state never lands on a newer. A write that fails is told,
 * kept and tried again with the next; its callers are not kept waiting, since memory enforces all the same.
 */
export interface BanWriter {
  save (bans: readonly Ban[]): Promise<void>
  remove (subjects: readonly string[]): Promise<void>
  /** Resolves once the subject's ban is durable (or its write failed); undefined: nothing is under way for it. */
  pending (subject: string): Promise<void> | undefined
  /** As `remove`, for those who do not wait. */
  forget (subjects: readonly string[]): void
  /** Tries again what failed. */
  retry (): void
  /** Writes what is waiting. Resolves when that is done. */
  flush (): Promise<void>
  /** Changes that are not yet durable. */
  readonly backlog: number
}

interface Batch { readonly saves: Map<string, Ban>, readonly removes: Set<string> }

export function createBanWriter ({ store, log }: BanWriterDeps): BanWriter {
  let waiting = emptyBatch()
  let writing: { readonly batch: Batch, readonly done: Promise<void> } | undefined
  let next: Promise<void> | undefined

  function schedule (): void {
    if (sizeOf(waiting) > 0) next ??= (writing?.done ?? Promise.resolve()).then(write)
  }

  async function settled (): Promise<void> {
    schedule()
    await (next ?? writing?.done)
  }

  function forget (subjects: readonly string[]): void {
    for (const subject of subjects) {
      waiting.saves.delete(subject)
      waiting.removes.add(subject)
    }
  }

  function write (): Promise<void> {
    const batch = waiting
    waiting = emptyBatch()
    next = undefined
    const done = writeBatch(batch).finally(() => { writing = undefined })
    writing = { batch, done }
    return done
  }

  async function writeBatch ({ saves, removes }: Batch): Promise<void> {
    try {
      if (saves.size > 0) await store.save([...saves.values()])
      if (removes.size > 0) await store.remove([...removes])
    } catch (error) {
      log.error({ err: error, bans: saves.size, lifts: removes.size }, 'bans could not be written, they hold in memory')
      putBack({ saves, removes })
    }
  }

  /** What has come since is newer and wins. */
  function putBack ({ saves, removes }: Batch): void {
    const decided = (subject: string) => waiting.saves.has(subject) || waiting.removes.has(subject)
    for (const [subject, ban] of saves) if (!decided(subject)) waiting.saves.set(subject, ban)
    for (const subject of removes) if (!decided(subject)) waiting.removes.add(subject)
  }

  return {
    save: (bans) => {
      for (const ban of bans) {
        waiting.removes.delete(ban.subject)
        waiting.saves.set(ban.subject, ban)
      }
      return bans.length === 0 ? Promise.resolve() : settled()
    },
    remove: (subjects) => {
      forget(subjects)
      return subjects.length === 0 ? Promise.resolve() : settled()
    },
    forget: (subjects) => {
      forget(subjects)
      schedule()
    },
    retry: schedule,
    pending: (subject) => {
      if (next !== undefined && waiting.saves.has(subject)) return next
      return writing?.batch.saves.has(subject) === true ? writing.done : undefined
    },
    flush: settled,
    get backlog () {
      return sizeOf(waiting) + (writing === undefined ? 0 : sizeOf(writing.batch))
    },
  }
}

function emptyBatch (): Batch {
  return { saves: new Map(), removes: new Set() }
}

function sizeOf ({ saves, removes }: Batch): number {
  return saves.size + removes.size
}
