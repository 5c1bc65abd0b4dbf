/** A file that grows by a line for every change, and is written whole now and then: for many small things. */
import { open, type FileHandle } from 'node:fs/promises'
import type { Log } from '../log.js'
import { createComplaint } from './complaint.js'
import { replaceFile } from './saved-file.js'

const RETRY_MS = 5000
/** A file of fewer lines is not worth writing anew. */
const FEW_LINES = 1000

export interface AppendedFileOptions {
  readonly path: string
  /** The state as text, each line with its end; in pieces. What changes meanwhile may stand in it or not. */
  render (): Iterable<string>
  /** How many lines that is. */
  size (): number
  readonly log: Log
}

export interface AppendedFile {
  /** The state has changed by this line (with its end): it is written at once, or with those that come meanwhile. Never throws. */
  add (line: string): void
  /** Resolves when all lines would survive `kill -9` and a power cut; rejects when they could not be written. */
  flush (): Promise<void>
  /** Flushes, and writes no more after that. Never rejects: what fails is in the log. */
  close (): Promise<void>
}

/** Whatever stood there is replaced by the first line's write. After a failure all is written anew: no half line stays. */
export function createAppendedFile ({ path, render, size, log }: AppendedFileOptions): AppendedFile {
  const tell = createComplaint(path, log)
  let handle: FileHandle | undefined
  let linesThere = 0
  let waiting: string[] = []
  let writing: Promise<void> | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false

  function add (line: string): void {
    // The next try writes the state as it is by then.
    if (retry !== undefined || closed) return
    waiting.push(line)
    if (writing !== undefined) return
    writing = writeAll().finally(() => { writing = undefined })
    writing.catch(() => {})
  }

  async function writeAll (): Promise<void> {
    try {
      while (waiting.length > 0) {
        const lines = waiting
        waiting = []
        if (handle === undefined || linesThere + lines.length > 2 * Math.max(size(), FEW_LINES)) await renew()
        else await append(handle, lines)
      }
      tell.recovered()
    } catch (error) {
      tell.failed(error)
      waiting = []
      await letGo()
      retry = setTimeout(tryAgain, RETRY_MS)
      retry.unref()
      throw error
    }
  }

  /** The lines that wait are in the state already. */
  async function renew (): Promise<void> {
    await letGo()
    await replaceFile(path, render())
    linesThere = size()
    handle = await open(path, 'a')
  }

  async function append (to: FileHandle, lines: readonly string[]): Promise<void> {
    await to.appendFile(lines.join(''))
    await to.datasync()
    linesThere += lines.length
  }

  async function letGo (): Promise<void> {
    const held = handle
    handle = undefined
    await held?.close().catch(() => {})
  }

  function tryAgain (): void {
    clearTimeout(retry)
    retry = undefined
    add('')
  }

  async function flush (): Promise<void> {
    if (retry !== undefined) tryAgain()
    await writing
  }

  return {
    add,
    flush,
    close: async () => {
      await flush().catch(() => {})
      closed = true
      clearTimeout(retry)
      await letGo()
    },
  }
}
