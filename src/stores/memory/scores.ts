import { join } from 'node:path'
import type { Booking } from '../../verdict/verdict.js'
import type { BookRequest, ScoreStore } from '../../violations/contract.js'
import { readOwnFile } from '../../files/own-file.js'
import { createSavedFile, type SavedFile } from '../../files/saved-file.js'
import type { MemoryStoreOptions } from './memory-stores.js'
import { createScoreTable, type ScoreTable } from './score-table.js'
import { parseViolations, renderViolations } from './violations-file.js'

const FILE = 'violations.json'
/** Together with the time that writing takes, well under the second that a kill may cost. */
const GATHER_MS = 250
/** Old records leave the file at least this often. */
const PRUNE_EVERY_MS = 60 * 60_000

export interface ScoresInProcess extends ScoreStore {
  book (request: BookRequest): Booking
  list: ScoreTable['list']
  cleanSince: ScoreTable['cleanSince']
  reset: ScoreTable['reset']
  /** The real ones, without shadows. */
  readonly table: ScoreTable
}

export interface MemoryScores extends Omit<ScoresInProcess, 'table'> {
  readonly table: Pick<ScoreTable, 'size' | 'evicted'>
  readonly file: SavedFile
  close (): Promise<void>
}

/** Scores in process and in `violations.json`. Shadow scores are not kept on disk. */
export async function createMemoryScores (options: MemoryStoreOptions): Promise<MemoryScores> {
  const { dataDir, clock, log } = options
  const path = join(dataDir, FILE)
  const { table, book, list, cleanSince, reset } = createScoresInProcess(options)
  const kept = await readOwnFile({ path, parse: parseViolations, clock, log }) ?? []
  // Quietest first, so that these are the first to go when there are too many.
  for (const record of kept.sort((a, b) => a.updatedAt - b.updatedAt)) table.put(record)

  const file = createSavedFile({ path, render: () => renderViolations(table.snapshot()), delayMs: GATHER_MS, log })
  const pruning = setInterval(file.touch, PRUNE_EVERY_MS).unref()

  return {
    book (request) {
      const booking = book(request)
      if (!request.breach.shadow) file.touch()
      return booking
    },
    list,
    cleanSince,
    reset (subject, type) {
      reset(subject, type)
      file.touch()
    },
    table,
    file,
    close: () => {
      clearInterval(pruning)
      return file.close()
    },
  }
}

/** Two tables, so that nothing of observe mode is left when enforcing begins. */
export function createScoresInProcess (options: Pick<MemoryStoreOptions, 'clock' | 'retentionMs'>): ScoresInProcess {
  const table = createScoreTable(options)
  const shadows = createScoreTable(options)
  return {
    book: (request) => (request.breach.shadow ? shadows : table).book(request),
    list: table.list,
    cleanSince: table.cleanSince,
    reset (subject, type) {
      shadows.reset(subject, type)
      table.reset(subject, type)
    },
    table,
  }
}
