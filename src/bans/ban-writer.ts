import type { Log } from '../log.js'
import type { Ban, BanLift, BanStore } from './contract.js'
import { mergeBans, placedAtOf } from './merge.js'

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
  remove (lifts: readonly BanLift[]): Promise<void>
  /** Drops bans that ran out, for those who do not wait. */
  forget (subjects: readonly string[]): void
  /** Resolves once the subject's ban is durable (or its write failed); undefined: nothing is under way for it. */
  pending (subject: string): Promise<void> | undefined
  /** When a lift was made that still waits. */
  liftedAt (subject: string): number | undefined
  /** What holds now that the store tells of a ban: merged with ours that it has not heard of; undefined: we lifted it. */
  meet (ban: Ban): Ban | undefined
  /** Whether a lift that the store tells of holds: not when we have placed a ban since. */
  concede (lift: BanLift): boolean
  /** Tries again what failed. */
  retry (): void
  /** Writes what is waiting. Resolves when that is done. */
  flush (): Promise<void>
  /** Changes that are not yet durable. */
  readonly backlog: number
}

/** A subject may be lifted and then placed again in one batch: the lift comes first. */
interface Batch {
  readonly saves: Map<string, Ban>
  readonly removes: Map<string, BanLift>
  readonly forgets: Set<string>
}

type Waiting = Batch & Pick<BanWriter, 'meet' | 'concede'>

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

  function write (): Promise<void> {
    const batch = waiting
    waiting = emptyBatch()
    next = undefined
    const done = writeBatch(batch).finally(() => { writing = undefined })
    writing = { batch, done }
    return done
  }

  /** All of it is handed over in one tick, so that the store never knows half. */
  async function writeBatch (batch: Batch): Promise<void> {
    const { saves, removes, forgets } = batch
    const writes: Promise<void>[] = []
    if (removes.size > 0) writes.push(store.remove([...removes.values()]))
    if (saves.size > 0) writes.push(store.save([...saves.values()]))
    if (forgets.size > 0) writes.push(store.forget([...forgets]))
    const failed = (await Promise.allSettled(writes)).find((result) => result.status === 'rejected')
    if (failed === undefined) return
    log.error({ err: failed.reason, bans: saves.size, lifts: removes.size }, 'bans could not be written, they hold in memory')
    putBack(batch)
  }

  /** What has come since is newer and wins. */
  function putBack ({ saves, removes, forgets }: Batch): void {
    const decided = new Set([...waiting.saves.keys(), ...waiting.removes.keys(), ...waiting.forgets])
    for (const [subject, ban] of saves) if (!decided.has(subject)) waiting.saves.set(subject, ban)
    for (const [subject, lift] of removes) if (!waiting.removes.has(subject)) waiting.removes.set(subject, lift)
    for (const subject of forgets) if (!decided.has(subject)) waiting.forgets.add(subject)
  }

  return {
    save: (bans) => {
      for (const ban of bans) {
        waiting.forgets.delete(ban.subject)
        waiting.saves.set(ban.subject, ban)
      }
      return bans.length === 0 ? Promise.resolve() : settled()
    },
    remove: (lifts) => {
      for (const lift of lifts) {
        waiting.forgets.delete(lift.subject)
        waiting.saves.delete(lift.subject)
        waiting.removes.set(lift.subject, lift)
      }
      return lifts.length === 0 ? Promise.resolve() : settled()
    },
    forget: (subjects) => {
      for (const subject of subjects) {
        waiting.saves.delete(subject)
        waiting.forgets.add(subject)
      }
      schedule()
    },
    liftedAt: (subject) => waiting.removes.get(subject)?.liftedAt,
    meet: (ban) => waiting.meet(ban),
    concede: (lift) => waiting.concede(lift),
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

function emptyBatch (): Waiting {
  const saves = new Map<string, Ban>()
  const removes = new Map<string, BanLift>()
  const forgets = new Set<string>()
  return {
    saves,
    removes,
    forgets,
    meet: (ban) => {
      const { subject } = ban
      const ours = saves.get(subject)
      if ((removes.get(subject)?.liftedAt ?? 0) >= placedAtOf(ban)) return ours
      forgets.delete(subject)
      if (ours === undefined) return ban
      const both = mergeBans(ban, ours)
      saves.set(subject, both)
      return both
    },
    concede: ({ subject, liftedAt }) => {
      const ours = saves.get(subject)
      if (ours !== undefined && placedAtOf(ours) > liftedAt) return false
      saves.delete(subject)
      return true
    },
  }
}

function sizeOf ({ saves, removes, forgets }: Batch): number {
  return saves.size + removes.size + forgets.size
}
