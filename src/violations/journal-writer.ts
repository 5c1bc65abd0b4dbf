import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import { inspectJournal } from './journal-inspection.js'
import { setAside } from '../files/own-file.js'

const FILE = 'logs.json'
const ROTATED = /^logs\.(\d{1,3})\.json$/
const FILE_MODE = 0o640
const MAX_BYTES = 50 * 1024 * 1024
const GENERATIONS = 5

export interface JournalWriterOptions {
  readonly dataDir: string
  readonly clock: Clock
  readonly log: Log
  /** Lines older than this are deleted, file by file. */
  readonly retentionMs: number
  /** A file that would grow beyond this is rotated. */
  readonly maxBytes?: number
}

/** The open file of the journal, its age and its size, and the files before it. */
export class JournalWriter {
  readonly path: string
  readonly #options: JournalWriterOptions
  #handle: FileHandle | undefined
  #size = 0
  #startedAt: number | undefined

  constructor (options: JournalWriterOptions) {
    this.#options = options
    this.path = join(options.dataDir, FILE)
  }

  async open (): Promise<void> {
    const { clock, log } = this.#options
    const found = await inspectJournal(this.path)
    if (found.foreign !== undefined) await setAside(this.path, { why: found.foreign, clock, log })
    this.#handle = await open(this.path, 'a', FILE_MODE)
    // A line that was half written when the process was killed is no line.
    if (found.foreign === undefined) await this.#handle.truncate(found.wholeBytes)
    this.#size = found.foreign === undefined ? found.wholeBytes : 0
    this.#startedAt = found.startedAt
    await this.#deleteOld()
  }

  /** All or nothing: what a failing disk took of it is cut off again. */
  async write (lines: string): Promise<void> {
    const bytes = Buffer.byteLength(lines)
    if (this.#handle === undefined || this.#isDue(bytes)) await this.#rotate()
    const handle = this.#handle as FileHandle
    try {
      await handle.appendFile(lines)
    } catch (error) {
      await handle.truncate(this.#size).catch(() => {})
      throw error
    }
    this.#size += bytes
    this.#startedAt ??= this.#options.clock()
  }

  async close (): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
  }

  #isDue (bytes: number): boolean {
    const { clock, retentionMs, maxBytes = MAX_BYTES } = this.#options
    if (this.#size === 0) return false
    const ageMs = clock() - (this.#startedAt ?? clock())
    return this.#size + bytes > maxBytes || ageMs > retentionMs / GENERATIONS
  }

  async #rotate (): Promise<void> {
    await this.close()
    if (this.#size > 0) {
      for (let n = GENERATIONS - 1; n >= 1; n--) await renameIfThere(this.#generation(n), this.#generation(n + 1))
      await renameIfThere(this.path, this.#generation(1))
      // Before anything else can fail: a second try must not push the generations on again.
      this.#size = 0
      this.#startedAt = undefined
    }
    this.#handle = await open(this.path, 'a', FILE_MODE)
    await this.#deleteOld()
  }

  async #deleteOld (): Promise<void> {
    const { dataDir, clock, retentionMs } = this.#options
    for (const name of await readdir(dataDir)) {
      const number = Number(ROTATED.exec(name)?.[1])
      if (Number.isNaN(number)) continue
      const file = join(dataDir, name)
      if (number > GENERATIONS || (await stat(file)).mtimeMs < clock() - retentionMs) await rm(file, { force: true })
    }
  }

  #generation (n: number): string {
    return join(this.#options.dataDir, `logs.${n}.json`)
  }
}

async function renameIfThere (from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}
