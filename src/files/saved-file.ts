/**
 * A file that always holds a whole state: written beside, synced, renamed into place.
 * Not the write-file-atomic package: on a disk that runs full it takes a short write for a whole one and puts half a
 * file in place of the good one.
 */
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Log } from '../log.js'
import { createComplaint } from './complaint.js'

const RETRY_MS = 5000
const FILE_MODE = 0o640

export interface SavedFileOptions {
  readonly path: string
  /** The state as text, taken when a write begins; in pieces, so that a large one does not hold up requests. */
  render (): Iterable<string>
  /** How long changes are gathered before `touch` writes. */
  readonly delayMs: number
  readonly log: Log
}

export interface SavedFile {
  /** The state has changed: it is written within `delayMs` and the time that writing takes. Never throws. */
  touch (): void
  /** Writes now. Resolves when what is in memory at the call would survive `kill -9`, rejects when it could not be written. */
  save (): Promise<void>
  /** Writes what is not yet written, if anything. Rejects like `save`. */
  flush (): Promise<void>
  /** Flushes, and writes no more after that. Never rejects: what fails is in the log. */
  close (): Promise<void>
}

/** At most one write is under way and one waits: all who ask meanwhile share that one. */
export function createSavedFile ({ path, render, delayMs, log }: SavedFileOptions): SavedFile {
  const tell = createComplaint(path, log)
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> | undefined
  let next: Promise<void> | undefined
  let closed = false

  function save (): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    next ??= writeAfter(writing)
    return next
  }

  async function writeAfter (previous: Promise<void> | undefined): Promise<void> {
    await previous?.catch(() => {})
    next = undefined
    const mine = writing = replaceFile(path, render())
    try {
      await mine
      tell.recovered()
    } catch (error) {
      tell.failed(error)
      schedule(RETRY_MS)
      throw error
    } finally {
      if (writing === mine) writing = undefined
    }
  }

  function schedule (inMs: number): void {
    if (timer !== undefined || closed) return
    timer = setTimeout(() => { save().catch(() => {}) }, inMs)
    timer.unref()
  }

  async function flush (): Promise<void> {
    await (timer !== undefined || next !== undefined ? save() : writing)
  }

  return {
    touch: () => { if (next === undefined) schedule(delayMs) },
    save,
    flush,
    close: async () => {
      await flush().catch(() => {})
      closed = true
      clearTimeout(timer)
    },
  }
}

/** Replaces a file with a new whole of this mode in one step. Rejects with the old one untouched. */
export async function replaceFile (path: string, pieces: Iterable<string>, mode = FILE_MODE): Promise<void> {
  const draft = `${path}.tmp`
  // One that was left behind would keep its own mode, and a link its target.
  await rm(draft, { force: true })
  const handle = await open(draft, 'wx', mode)
  try {
    await writePieces(handle, pieces)
    await handle.sync()
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {})
    throw error
  } finally {
    await handle.close()
  }
  await rename(draft, path)
  await syncDirectory(dirname(path))
}

async function writePieces (handle: FileHandle, pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) await handle.appendFile(piece)
}

/** The renaming itself must survive a power cut too. Some systems do not sync directories: then it is as good as it gets. */
async function syncDirectory (path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined)
  await handle?.sync().catch(() => {})
  await handle?.close()
}
