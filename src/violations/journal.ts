/**
 * `logs.json`: one violation a line, appended in order. Rotated by size and by age to `logs.1.json` (the newest) …
 * `logs.5.json`; what is older than the retention is deleted, file by file.
 */
import { createComplaint } from '../files/complaint.js'
import type { Journal, ViolationRecord } from './contract.js'
import { JournalWriter, type JournalWriterOptions } from './journal-writer.js'

/** Lines that may wait for the disk; more are counted and dropped. */
const MAX_QUEUED = 10_000
const RETRY_MS = 1000

export interface JournalOptions extends JournalWriterOptions {
  readonly maxQueued?: number
  /** Lines were dropped, because the disk could not follow. */
  onDropped (count: number): void
}

export interface FileJournal extends Journal {
  /** Resolves when all that was appended before is written, or the disk refused it. */
  flush (): Promise<void>
  close (): Promise<void>
}

/** Opens the journal. A foreign file of its name is set aside. Rejects when the directory cannot be used. */
export async function createJournal (options: JournalOptions): Promise<FileJournal> {
  const { maxQueued = MAX_QUEUED, log, onDropped } = options
  const writer = new JournalWriter(options)
  await writer.open()
  const complaint = createComplaint(writer.path, log)
  let queue: string[] = []
  let draining: Promise<void> | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false

  async function drain (): Promise<void> {
    // Everything that is appended in this tick goes out together.
    await Promise.resolve()
    try {
      while (queue.length > 0) {
        const count = queue.length
        await writer.write(queue.join(''))
        queue = queue.slice(count)
      }
      complaint.recovered()
    } catch (error) {
      complaint.failed(error)
      retry = setTimeout(start, RETRY_MS).unref()
    } finally {
      draining = undefined
    }
  }

  function start (): void {
    clearTimeout(retry)
    retry = undefined
    draining ??= drain()
  }

  return {
    append (record) {
      if (closed || queue.length >= maxQueued) {
        onDropped(1)
        return
      }
      queue.push(lineOf(record))
      if (retry === undefined) start()
    },
    async flush () {
      if (queue.length > 0) start()
      await draining
    },
    async close () {
      closed = true
      if (queue.length > 0) start()
      await draining
      clearTimeout(retry)
      await writer.close()
    },
  }
}

function lineOf (record: ViolationRecord): string {
  return `${JSON.stringify(record)}\n`
}
