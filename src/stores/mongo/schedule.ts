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
}

export interface ScheduleDeps {
  readonly sync: Pick<BanSync, 'look' | 'write'>
  readonly bell: Pick<DeletionBell, 'open' | 'isReliable'>
  readonly contact: Contact
  readonly lifter: Pick<Lifter, 'retry'>
  readonly lookEveryMs: number
}

export function createSchedule ({ sync, bell, contact, lifter, lookEveryMs }: ScheduleDeps): Schedule {
  let lookAt = 0
  let writeAt = 0
  let mustLook = true

  async function look (): Promise<void> {
    const began = performance.now()
    // What the bell rings for while we look wants another look.
    mustLook = false
    await bell.open()
    await sync.look()
    await lifter.retry()
    const paceMs = bell.isReliable ? LOOK_SELDOM_MS : Math.max(lookEveryMs, SHARE * (performance.now() - began))
    lookAt = performance.now() + Math.min(paceMs, LOOK_SELDOM_MS)
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
        if (performance.now() >= writeAt) await write()
        return Math.max(0, lookAt - performance.now())
      } catch (error) {
        contact.lost(error)
        mustLook = true
        return isForbidden(error) ? FORBIDDEN_AGAIN_MS : RETRY_MS
      }
    },
    lookNext () { mustLook = true },
  }
}
