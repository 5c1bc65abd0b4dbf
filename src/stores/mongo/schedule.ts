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
const RETRY_MS = 1000
const FORBIDDEN_AGAIN_MS = 60_000

/** When to look and when to write. */
export interface Schedule {
  /** Does what is due; answers in how many milliseconds something is again. Never rejects. */
  round (): Promise<number>
  /** The next round begins with a look. */
  lookNext (): void
  /** The next round looks at the app's own bans. */
  importNext (): void
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
  let mustImport = false

  async function look (): Promise<void> {
    // What the bell rings for while we look wants another look.
    mustLook = false
    await bell.open()
    const began = performance.now()
    await sync.look()
    await importBans()
    await lifter.retry()
    // Of two looks the shorter: one alone may have had to connect, to confirm or to wait for a busy server.
    const typicalMs = Math.min(tookMs, performance.now() - began)
    tookMs = performance.now() - began
    const paceMs = bell.isReliable ? LOOK_SELDOM_MS : Math.max(lookEveryMs, SHARE * typicalMs)
    lookAt = performance.now() + Math.min(paceMs, LOOK_SELDOM_MS)
  }

  async function importBans (): Promise<void> {
    mustImport = false
    await imports.look()
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
        else if (mustImport) await importBans()
        if (performance.now() >= writeAt) await write()
        return Math.max(0, lookAt - performance.now())
      } catch (error) {
        contact.lost(error)
        mustLook = true
        return isForbidden(error) ? FORBIDDEN_AGAIN_MS : RETRY_MS
      }
    },
    lookNext () { mustLook = true },
    importNext () { mustImport = true },
  }
}
