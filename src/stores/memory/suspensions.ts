/** Suspensions in process and in `suspensions.json`: the store of a gateway that runs alone. */
import { join } from 'node:path'
import { readOwnFile } from '../../files/own-file.js'
import { createSavedFile, type SavedFile } from '../../files/saved-file.js'
import type { SuspensionStore } from '../../suspensions/contract.js'
import type { MemoryStoreOptions } from './memory-stores.js'
import { createSuspensionTable, type SuspensionsInProcess, type SuspensionTable } from './suspension-table.js'
import { parseSuspensions, renderSuspensions } from './suspensions-file.js'

const FILE = 'suspensions.json'
/** Totals change with every message; a kill may cost those of so long. */
const GATHER_MS = 2_000
/** Old records leave the file at least this often. */
const PRUNE_EVERY_MS = 60 * 60_000

export interface MemorySuspensions extends SuspensionStore {
  find: SuspensionsInProcess['find']
  readonly table: Pick<SuspensionTable, 'size' | 'evicted'>
  readonly file: SavedFile
  close (): Promise<void>
}

/** Synced to the disk before anybody is told. Rejects when the file cannot be read. */
export async function createMemorySuspensions (options: MemoryStoreOptions): Promise<MemorySuspensions> {
  const { dataDir, clock, log, retentionMs } = options
  const path = join(dataDir, FILE)
  const table = createSuspensionTable({ retentionMs })
  for (const record of await readOwnFile({ path, parse: parseSuspensions, clock, log }) ?? []) table.put(record)

  const render = () => renderSuspensions(table.snapshot(clock()))
  const file = createSavedFile({ path, render, delayMs: GATHER_MS, log })
  // What fails is in the log, and holds in memory all the same.
  const saved = () => file.save().catch(() => {})
  const pruning = setInterval(file.touch, PRUNE_EVERY_MS).unref()

  return {
    find: table.find,
    async suspend (request) {
      const suspension = table.suspend(request)
      await saved()
      return suspension
    },
    note (message) {
      table.note(message)
      file.touch()
    },
    get: table.get,
    async lift (subject, now) {
      const isLifted = table.lift(subject, now)
      if (isLifted) await saved()
      return isLifted
    },
    forget (subject) {
      table.forget(subject)
      return saved()
    },
    table,
    file,
    close: () => {
      clearInterval(pruning)
      return file.close()
    },
  }
}
