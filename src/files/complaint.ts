import type { Log } from '../log.js'

/** A disk that stays full is told of this often. */
const REMIND_MS = 60_000

/** Says once that a file cannot be written, reminds now and then, and says when it can again. */
export function createComplaint (path: string, log: Log) {
  let toldAt: number | undefined
  return {
    failed (error: unknown): void {
      const at = performance.now()
      if (toldAt !== undefined && at - toldAt < REMIND_MS) return
      toldAt = at
      log.error({ err: error, path }, 'A file cannot be written: enforcing goes on from memory, and a restart would forget')
    },
    recovered (): void {
      if (toldAt === undefined) return
      toldAt = undefined
      log.info({ path }, 'The file can be written again')
    },
  }
}
