/**
 * The directory of what must survive, and the lock that keeps a second process out of it.
 *
 * The lock is the kernel's, on `lock.db`, taken through SQLite: process ids mean nothing across containers, a lock
 * file would outlive `kill -9`, and the kernel's lock is gone at once with its process. SQLite is how Node gets at it
 * without a native addon; the database stays empty.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

const LOCK_FILE = 'lock.db'
/** SQLite's codes for a lock that somebody else holds. */
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
/** A predecessor that is being killed needs a moment to be gone. */
const TRIES = 5
const BETWEEN_TRIES_MS = 100
/** Nobody may lose a lock to the garbage collector. */
const held = new Set<DatabaseSync>()

/** The directory cannot be used; the message says why and what to do. */
export class DataDirError extends Error {
  override readonly name = 'DataDirError'
}

export interface DataDir {
  /** Absolute. */
  readonly path: string
  /** Lets the next process in. */
  close (): void
}

/** Makes the directory, tries it, and locks it for this process. Rejects with `DataDirError`. */
export async function openDataDir (path: string): Promise<DataDir> {
  const absolute = resolve(path)
  await makeWritable(absolute)
  const lock = await takeLock(absolute)
  held.add(lock)
  return { path: absolute, close: () => { if (held.delete(lock)) lock.close() } }
}

async function makeWritable (path: string): Promise<void> {
  const probe = join(path, `.probe-${randomUUID()}`)
  try {
    await mkdir(path, { recursive: true, mode: 0o750 })
    await writeFile(probe, 'portcullis')
    await rm(probe)
  } catch (error) {
    await rm(probe, { force: true }).catch(() => {})
    throw new DataDirError(
      `The data directory ${path} cannot be written (${(error as Error).message}). ` +
      'Bans and scores are kept there: give the gateway\'s user write access, free some space, or set DATA_DIR to another directory.',
      { cause: error })
  }
}

async function takeLock (path: string): Promise<DatabaseSync> {
  for (let tries = 1; ; tries++) {
    try {
      return lockNow(join(path, LOCK_FILE))
    } catch (error) {
      if (!isHeld(error)) {
        throw new DataDirError(`The data directory ${path} cannot be locked: ${(error as Error).message} (${LOCK_FILE}).`, { cause: error })
      }
      if (tries === TRIES) {
        throw new DataDirError(
          `The data directory ${path} is in use by another Portcullis process. Stop that one first, ` +
          'or give this one a directory of its own with DATA_DIR.', { cause: error })
      }
      await sleep(BETWEEN_TRIES_MS)
    }
  }
}

function lockNow (file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function isHeld (error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  return code === SQLITE_BUSY || code === SQLITE_LOCKED
}
