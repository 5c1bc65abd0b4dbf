import type { BanImport } from './ban-import.js'
import type { BanSync } from './ban-sync.js'
import type { Contact } from './contact.js'
import type { DeletionBell } from './deletion-bell.js'
import { isForbidden } from './faults.js'
import type { Lifter } from './lifter.js'

/** While the server tells of deletions by itself, or a look takes long. */
const LOOK_SELDOM_MS = 30_000
/** Looks at very many bans take at most a tenth of the time. */
const SHARE = 10
/** The server may tell of changes in the app's documents all the time, and each import reads all bans of the app. */
const LEAST_IMPORT_PAUSE_MS = 1000
/** After imports that take up to a second, so that what the app lifts is let in within five. */
const MOST_IMPORT_PAUSE_MS = 3000
const SLOW_IMPORT_MS = 1000
const RETRY_MS = 1000
const FORBIDDEN_AGAIN_MS = 60_000

/** When to look and when to write. */
export interface Schedule {
  /** Does what is due; answers in how many milliseconds something is again. Never rejects. */
  round (): Promise<number>
  /** The next round begins with a look, and soon one looks at the app's own bans. */
  lookNext (): void
  /** A round looks at the app's own bans as soon as it may; answers in how many milliseconds that is. */
  importNext (): number
}

export interface ScheduleDeps {
  readonly sync: Pick<BanSync, 'look' | 'write'>
  readonly imports: Pick<BanImport, 'look'>
  readonly bell: Pick<DeletionBell, 'open' | 'isReliable'>
  readonly contact: Contact
  readonly lifter: Pick<Lifter, 'retry'>
  readonly lookEveryMs: number
}

export function createSchedule ({ sync, imports, bell, contact, lifter, lookEveryMs }: ScheduleDeps): Schedule {
  let lookAt = 0
  /** How long the last look took. */
  let tookMs = 0
  let writeAt = 0
  let mustLook = true
  const importing = createImportPace()

  async function look (): Promise<void> {
    // What the bell rings for while we look wants another look.
    mustLook = false
    await bell.open()
    const began = performance.now()
    await sync.look()
    await lifter.retry()
    // Of two looks the shorter: one alone may have had to connect, to confirm or to wait for a busy server.
    const typicalMs = Math.min(tookMs, performance.now() - began)
    tookMs = performance.now() - began
    lookAt = performance.now() + Math.min(usualPauseMs(SHARE * typicalMs), LOOK_SELDOM_MS)
  }

  async function importBans (): Promise<void> {
    importing.begin()
    await imports.look()
    importing.end(usualPauseMs(0))
  }

  function usualPauseMs (leastMs: number): number {
    return bell.isReliable ? LOOK_SELDOM_MS : Math.max(lookEveryMs, leastMs)
  }

  async function write (): Promise<void> {
    try {
      await sync.write()
      contact.made()
    } catch (error) {
      if (!isForbidden(error)) throw error
      // Deletions may still be seen.
      contact.lost(error)
      writeAt = performance.now() + FORBIDDEN_AGAIN_MS
    }
  }

  return {
    async round () {
      try {
        if (mustLook || performance.now() >= lookAt) await look()
        if (importing.dueInMs <= 0) await importBans()
        if (performance.now() >= writeAt) await write()
        return Math.max(0, Math.min(lookAt - performance.now(), importing.dueInMs))
      } catch (error) {
        contact.lost(error)
        mustLook = true
        importing.want()
        return isForbidden(error) ? FORBIDDEN_AGAIN_MS : RETRY_MS
      }
    },
    lookNext () {
      mustLook = true
      importing.want()
    },
    importNext () {
      importing.want()
      return Math.max(0, importing.dueInMs)
    },
  }
}

/** When to look at the app's own bans. An import that fails changes nothing: it is due as before. */
function createImportPace () {
  /** Not before, and at the latest. */
  let from = 0
  let by = 0
  let isWanted = true
  let began = 0
  let tookMs = 0

  return {
    want () { isWanted = true },
    begin () {
      // What is rung for meanwhile wants another one.
      isWanted = false
      began = performance.now()
    },
    end (usualPauseMs: number) {
      const now = performance.now()
      // Of two the shorter, as above.
      const typicalMs = Math.min(tookMs, now - began)
      tookMs = now - began
      from = now + importPauseMs(typicalMs)
      by = Math.max(from, now + usualPauseMs)
    },
    get dueInMs () { return (isWanted ? from : by) - performance.now() },
  }
}

function importPauseMs (typicalMs: number): number {
  const mostMs = typicalMs > SLOW_IMPORT_MS ? LOOK_SELDOM_MS : MOST_IMPORT_PAUSE_MS
  return Math.min(Math.max(LEAST_IMPORT_PAUSE_MS, SHARE * typicalMs), mostMs)
}
