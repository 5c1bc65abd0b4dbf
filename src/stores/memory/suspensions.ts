/**
 * Suspensions in process and in two files: the store of a gateway that runs alone. Those who are or were suspended are in
 * `suspensions.json`, mere totals in `messages.json`: nobody's suspension waits until everybody's totals are written.
 */
import { join } from 'node:path'
import { readOwnFile } from '../../files/own-file.js'
import { createSavedFile, type SavedFile } from '../../files/saved-file.js'
import type { LocalSuspensions, SuspensionRecord, SuspensionStore } from '../../suspensions/contract.js'
import type { MemoryStoreOptions } from './memory-stores.js'
import { createSuspensionTable, type SuspensionTable } from './suspension-table.js'
import { parseSuspensions, renderSuspensions } from './suspensions-file.js'

const OFFENDERS = 'suspensions.json'
const TOTALS = 'messages.json'
/** Totals change with every message; a kill may cost those of so long. */
const GATHER_MS = 2_000
/** Old records leave the file at least this often. */
const PRUNE_EVERY_MS = 60 * 60_000

export interface MemorySuspensions extends SuspensionStore {
  find: LocalSuspensions['find']
  readonly table: Pick<SuspensionTable, 'size' | 'evicted'>
  /** Resolves when all that must survive is on disk; rejects when it could not be written. */
  flush (): Promise<void>
  close (): Promise<void>
}

/** Synced to the disk before anybody is told. Rejects when a file cannot be read. */
export async function createMemorySuspensions (options: MemoryStoreOptions): Promise<MemorySuspensions> {
  const { clock, retentionMs } = options
  const table = createSuspensionTable({ retentionMs })
  // A kill may leave somebody in both files: what is known of an offender comes last, and counts.
  const totals = await openFile(TOTALS, table, { ...options, records: () => table.totals(clock()) })
  const offenders = await openFile(OFFENDERS, table, { ...options, records: () => table.offenders(clock()) })

  const touchFileOf = (subject: string): void => (table.isOffender(subject) ? offenders : totals).touch()
  const pruning = setInterval(() => { for (const file of [totals, offenders]) file.touch() }, PRUNE_EVERY_MS).unref()

  return {
    find: table.find,
    async suspend (request) {
      touchFileOf(request.subject)
      const suspension = table.suspend(request)
      await saved(offenders)
      return suspension
    },
    note (message) {
      touchFileOf(message.subject)
      table.note(message)
      // He may have become one of the others.
      touchFileOf(message.subject)
    },
    get: table.get,
    async lift (subject, now) {
      const isLifted = table.lift(subject, now)
      if (!isLifted) return false
      touchFileOf(subject)
      await saved(offenders)
      return true
    },
    async forget (subject) {
      table.forget(subject)
      await Promise.all([totals, offenders].map(saved))
    },
    table,
    flush: async () => { await Promise.all([totals.flush(), offenders.flush()]) },
    close: async () => {
      clearInterval(pruning)
      await Promise.all([totals.close(), offenders.close()])
    },
  }
}

interface FileOptions extends MemoryStoreOptions {
  /** What is written. */
  readonly records: () => readonly SuspensionRecord[]
}

/** Reads what the file holds into the table. */
async function openFile (name: string, table: SuspensionTable, options: FileOptions): Promise<SavedFile> {
  const { dataDir, clock, log, records } = options
  const path = join(dataDir, name)
  for (const record of await readOwnFile({ path, parse: parseSuspensions, clock, log }) ?? []) table.put(record)
  return createSavedFile({ path, render: () => renderSuspensions(records()), delayMs: GATHER_MS, log })
}

/** What fails is in the log, and holds in memory all the same. */
function saved (file: SavedFile): Promise<void> {
  return file.save().catch(() => {})
}
