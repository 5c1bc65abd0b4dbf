import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'
import type { Running } from '../portcullis.js'
import type { Primary } from '../workers/primary.js'

/** What may be left to write when the last answer has ended. */
const EMERGENCY_MS = 10_000

/** One process, or several of which one may say that there is no use in going on. */
export type Whole = Running & Partial<Pick<Primary, 'failed'>>

export interface Ending {
  readonly running: Whole
  readonly log: Logger
  /** `shutdownGrace` of the policy in force. */
  graceMs (): number
  stopWatching (): Promise<void>
}

/** Resolves once a signal came and everything has been brought to its end; rejects when it ended by itself. */
export async function untilStopped ({ running, log, graceMs, stopWatching }: Ending): Promise<void> {
  const stopped = Promise.withResolvers<void>()
  const end = async () => {
    await stopWatching()
    await closeInTime(running, graceMs())
    log.info('stopped')
  }
  const grace = closeWithGrace({ delay: false }, async ({ err, signal }) => {
    if (err !== undefined) log.error({ err }, 'an error that nobody caught: shutting down')
    else log.info({ signal, graceMs: graceMs() }, 'shutting down')
    await end()
    stopped.resolve()
  })
  const failure = await Promise.race([stopped.promise, ...running.failed === undefined ? [] : [running.failed]])
  if (failure === undefined) return
  grace.uninstall()
  log.error({ err: failure }, 'shutting down')
  await end()
  throw failure
}

/** The grace is ours to keep: what outlives it is cut by `close`, so the emergency exit comes later. */
async function closeInTime (running: Running, graceMs: number): Promise<void> {
  const late = sleep(graceMs + EMERGENCY_MS, undefined, { ref: false })
  const inTime = await Promise.race([running.close(graceMs).then(() => true), late])
  if (inTime !== true) throw new Error('the shutdown takes too long: not everything was written')
}
