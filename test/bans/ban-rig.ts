import type { Ban, BanStore } from '../../src/bans/contract.js'
import type { Log } from '../../src/log.js'

export const T0 = Date.UTC(2026, 10, 21, 12)
export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

/** A clock that stands still until a test moves it. */
export function manualClock (start = T0) {
  let now = start
  return { read: () => now, advance: (ms: number) => { now += ms } }
}

export interface LogLine { readonly level: string, readonly message: string, readonly [detail: string]: unknown }

/** A log that keeps its lines. */
export function keptLog (): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const write = (level: string) => (details: object, message: string) => { lines.push({ ...details, level, message }) }
  return { lines, info: write('info'), warn: write('warn'), error: write('error') }
}

/** A disk in memory: what is on it is what was written to the end. Writes can be held up and made to fail. */
export function keptStore (initial: readonly Ban[] = []) {
  const disk = new Map(initial.map((ban) => [ban.subject, ban]))
  let gate: Promise<void> = Promise.resolve()
  let broken = false
  const writes: string[] = []
  const liftedAts = new Map<string, number>()
  const pass = async (what: string) => {
    await gate
    if (broken) throw new Error('disk full')
    writes.push(what)
  }
  const store: BanStore = {
    load: async () => [...disk.values()],
    save: async (changed) => {
      await pass(`save ${changed.map((ban) => ban.subject).join(' ')}`)
      for (const ban of changed) disk.set(ban.subject, ban)
    },
    remove: async (lifts) => {
      for (const { subject, liftedAt } of lifts) liftedAts.set(subject, liftedAt)
      await pass(`remove ${lifts.map((lift) => lift.subject).join(' ')}`)
      for (const { subject } of lifts) disk.delete(subject)
    },
    forget: async (subjects) => {
      await pass(`forget ${subjects.join(' ')}`)
      for (const subject of subjects) disk.delete(subject)
    },
    liftedAt: (subject) => liftedAts.get(subject),
  }
  return {
    store,
    disk,
    writes,
    /** Holds every write up until the answer is called. */
    hold: () => {
      let open = () => {}
      gate = new Promise((resolve) => { open = resolve })
      return () => open()
    },
    fail: (on: boolean) => { broken = on },
  }
}

export function banOf (subject: string, more: Partial<Ban> = {}): Ban {
  return {
    subject, violation: 'message_limit', score: 20, createdAt: T0, expiresAt: T0 + 2 * HOUR, source: 'auto', linked: [], ...more,
  }
}
