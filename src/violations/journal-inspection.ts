import { open, type FileHandle } from 'node:fs/promises'
import { isRecord } from '../files/own-file.js'

/** Longer than any line of ours. */
const LONGEST_LINE = 64 * 1024
const NEW_LINE = 10

export interface JournalInspection {
  /** Why the file is not ours; undefined: it is, or there is none. */
  readonly foreign: string | undefined
  /** Length up to the end of the last whole line. */
  readonly wholeBytes: number
  /** Instant of the first line, epoch milliseconds. */
  readonly startedAt: number | undefined
}

const NOTHING: JournalInspection = { foreign: undefined, wholeBytes: 0, startedAt: undefined }

/** Looks at the first and the last line of a journal that is there already. Changes nothing. */
export async function inspectJournal (path: string): Promise<JournalInspection> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (handle === undefined) return NOTHING
  try {
    return await inspect(handle)
  } finally {
    await handle.close()
  }
}

async function inspect (handle: FileHandle): Promise<JournalInspection> {
  const stats = await handle.stat()
  if (!stats.isFile()) return { ...NOTHING, foreign: 'not a regular file' }
  if (stats.size === 0) return NOTHING
  const head = await read(handle, 0)
  const end = head.indexOf(NEW_LINE)
  // Killed within its very first line: nothing whole is lost.
  if (end < 0 && stats.size < LONGEST_LINE && head.toString().startsWith('{"v":1,')) return NOTHING
  const first = parseLine(end < 0 ? head : head.subarray(0, end))
  if (first === undefined) return { ...NOTHING, foreign: 'its first line is no violation with "v": 1' }
  const from = Math.max(0, stats.size - LONGEST_LINE)
  const lastEnd = (await read(handle, from)).lastIndexOf(NEW_LINE)
  const startedAt = Date.parse(String(first['date']))
  return {
    foreign: undefined,
    wholeBytes: lastEnd < 0 ? stats.size : from + lastEnd + 1,
    startedAt: Number.isNaN(startedAt) ? undefined : startedAt,
  }
}

async function read (handle: FileHandle, from: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST_LINE), 0, LONGEST_LINE, from)
  return buffer.subarray(0, bytesRead)
}

function parseLine (line: Buffer): Record<string, unknown> | undefined {
  try {
    const content: unknown = JSON.parse(line.toString())
    return isRecord(content) && content['v'] === 1 ? content : undefined
  } catch {
    return undefined
  }
}
