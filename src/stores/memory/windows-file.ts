/** `windows.json`: `{"$format":1,"windows":{"<limiter>\n<bucket>":{"wholeAt",…state}}}`, buckets of limiters with `persist`. */
import { join } from 'node:path'
import type { WindowState } from '../../limits/window.js'
import { expectFormat, isRecord, readOwnFile } from '../../files/own-file.js'
import { createSavedFile, type SavedFile } from '../../files/saved-file.js'
import { BucketTable, type Bucket } from './bucket-table.js'
import { MAX_PERSISTED_BUCKETS } from './counters.js'
import type { MemoryStoreOptions } from './memory-stores.js'

const FILE = 'windows.json'
const FORMAT = 1
const GATHER_MS = 250
const PIECE = 1000
/** The integers that each kind of state consists of. */
const MEMBERS = {
  'fixed-window': ['startedAt', 'count'],
  'sliding-log': [],
  'sliding-weighted': ['startedAt', 'current', 'previous'],
  gcra: ['debt', 'at'],
} as const satisfies Record<WindowState['kind'], readonly string[]>

export interface PersistedWindows {
  readonly table: BucketTable
  readonly file: SavedFile
}

export async function openPersistedWindows ({ dataDir, clock, log }: MemoryStoreOptions): Promise<PersistedWindows> {
  const path = join(dataDir, FILE)
  const table = new BucketTable(MAX_PERSISTED_BUCKETS)
  const now = clock()
  for (const [key, kept] of await readOwnFile({ path, parse: parseWindows, clock, log }) ?? []) {
    if (kept.wholeAt > now) table.set(key, kept.state, { wholeAt: kept.wholeAt, now })
  }
  const file = createSavedFile({ path, render: () => renderWindows(table, clock()), delayMs: GATHER_MS, log })
  return { table, file }
}

/** The lines are taken at once, since states change in place, and put together as they are written. */
function renderWindows (table: BucketTable, now: number): Iterable<string> {
  const lines: string[] = []
  for (const [key, bucket] of table.entries()) {
    if (bucket.wholeAt > now) lines.push(bucket.line ??= lineOf(key, bucket))
  }
  return piecesOf(lines)
}

function * piecesOf (lines: readonly string[]): Iterable<string> {
  yield `{"$format":${FORMAT},"windows":{`
  for (let from = 0; from < lines.length; from += PIECE) {
    yield (from === 0 ? '\n' : ',\n') + lines.slice(from, from + PIECE).join(',\n')
  }
  yield '}}\n'
}

/** A state that has changed since is another bucket's. */
export function lineOf (key: string, { state, wholeAt }: Bucket): string {
  return `${JSON.stringify(key)}:${JSON.stringify({ wholeAt, ...state })}`
}

export interface Kept { readonly state: WindowState, readonly wholeAt: number }

/** Throws when the file is none of ours; buckets in it that make no sense are left out, and so are whole. */
function parseWindows (content: unknown): [string, Kept][] {
  const { windows } = expectFormat(content, FORMAT)
  if (!isRecord(windows)) throw new Error('"windows" is missing')
  return keptOf(windows)
}

/** Those that make sense. */
export function keptOf (windows: Record<string, unknown>): [string, Kept][] {
  return Object.entries(windows).flatMap(([key, entry]): [string, Kept][] => {
    if (!isRecord(entry)) return []
    const { wholeAt, ...state } = entry
    if (!isInstant(wholeAt) || !isState(state)) return []
    return [[key, { state, wholeAt }]]
  })
}

function isState (entry: Record<string, unknown>): entry is Record<string, unknown> & WindowState {
  const { kind } = entry
  if (kind === 'sliding-log') return Array.isArray(entry['hits']) && entry['hits'].every(isInstant)
  if (typeof kind !== 'string' || !Object.hasOwn(MEMBERS, kind)) return false
  return MEMBERS[kind as WindowState['kind']].every((member) => isInstant(entry[member]))
}

function isInstant (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
