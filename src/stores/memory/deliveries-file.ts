/**
 * `deliveries.jsonl`: `{"$format":1}`, then a line `{"<limiter>\n<bucket>":{"wholeAt",…state}}` for each delivery that is
 * known. Apart from the windows: there are very many, each is written once, and none may push out a budget.
 */
import { join } from 'node:path'
import { createAppendedFile, type AppendedFile } from '../../files/appended-file.js'
import { expectFormat, isRecord, readOwnFile } from '../../files/own-file.js'
import { BucketTable } from './bucket-table.js'
import { MAX_PERSISTED_BUCKETS } from './counters.js'
import type { MemoryStoreOptions } from './memory-stores.js'
import { keptOf, lineOf, type Kept } from './windows-file.js'

const FILE = 'deliveries.jsonl'
const FORMAT = 1
const PIECE = 1000

export interface KnownDeliveries {
  readonly table: BucketTable
  /** To be called for each that has changed. */
  onChange (key: string): void
  readonly file: AppendedFile
}

export async function openKnownDeliveries (
  { dataDir, clock, log }: MemoryStoreOptions
): Promise<KnownDeliveries> {
  const path = join(dataDir, FILE)
  const table = new BucketTable(MAX_PERSISTED_BUCKETS)
  const now = clock()
  for (const [key, kept] of await readOwnFile({ path, decode, parse, clock, log }) ?? []) {
    if (kept.wholeAt > now) table.set(key, kept.state, { wholeAt: kept.wholeAt, now })
  }
  const file = createAppendedFile({ path, render: () => render(table, clock()), size: () => table.size, log })
  return {
    table,
    onChange (key) {
      const bucket = table.find(key)
      if (bucket !== undefined) file.add(`{${lineOf(key, bucket)}}\n`)
    },
    file,
  }
}

/** Walks the table as it is written: what changes meanwhile is a line of its own. */
function * render (table: BucketTable, now: number): Iterable<string> {
  yield `{"$format":${FORMAT}}\n`
  let lines: string[] = []
  for (const [key, bucket] of table.entries()) {
    if (bucket.wholeAt > now) lines.push(`{${lineOf(key, bucket)}}\n`)
    if (lines.length < PIECE) continue
    yield lines.join('')
    lines = []
  }
  yield lines.join('')
}

/** The last line may be half a line, as the process was killed. */
function decode (text: string): unknown[] {
  const [first = '', ...lines] = text.split('\n')
  return [JSON.parse(first), ...lines.flatMap((line): unknown[] => {
    try {
      return [JSON.parse(line)]
    } catch {
      return []
    }
  })]
}

/** Throws when the file is none of ours. */
function parse (content: unknown): [string, Kept][] {
  const [first, ...lines] = content as unknown[]
  expectFormat(first, FORMAT)
  return lines.filter(isRecord).flatMap(keptOf)
}
