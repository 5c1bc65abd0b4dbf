import { LRUCache } from 'lru-cache'
import type { Log } from '../../log.js'
import type { Booking } from '../../verdict/verdict.js'
import type { Breach } from '../../violations/contract.js'
import type { RedisLink } from './contract.js'
import { subjectsKey } from './key-names.js'
import { defineScript, runScript } from './scripts.js'

const MAX_SUBJECTS = 100_000
const NOTE_EVERY_MS = 60_000
/** Of subjects, to know whom this process noted lately. */
const MAX_REMEMBERED = 10_000
/** Scores that never run out are kept this long after the last violation: every key has an expiry. */
const FOR_EVER_MS = 5 * 365 * 24 * 3_600_000
/** Redis may be away for long: told once a minute. */
const COMPLAIN_EVERY_MS = 60_000

const script = defineScript('scored-subjects', [new URL('./scored-subjects.lua', import.meta.url)])

export interface ScoredSubjectsOptions {
  readonly retentionMs: number
  readonly log: Log
}

/** Index of the subjects with violations, so that listing them needs no scan. Written in the background. */
export interface ScoredSubjects {
  /** How long the records of such a breach are kept from the last violation on. */
  keepMs (breach: Breach): number
  /** Notes the subject of a booking, at most once a minute; a shadow, or what was not booked, is not noted. */
  note (breach: Breach | undefined, booking: Booking | undefined): void
  /** Subjects whose scores may have changed at or after the instant; 0: every one. */
  changedSince (since: number): Promise<readonly string[]>
}

export function createScoredSubjects (link: RedisLink, { retentionMs, log }: ScoredSubjectsOptions): ScoredSubjects {
  const key = subjectsKey(link)
  const notedAt = new LRUCache<string, number>({ max: MAX_REMEMBERED })
  let complainedAt = -Infinity

  function keepMs ({ ttlMs }: Breach): number {
    return Math.max(retentionMs, ttlMs ?? FOR_EVER_MS)
  }

  function complain (error: unknown, at: number): void {
    if (at >= complainedAt && at < complainedAt + COMPLAIN_EVERY_MS) return
    complainedAt = at
    log.warn({ err: error }, 'Subjects with violations could not be noted: lists may lack them')
  }

  return {
    keepMs,
    note (breach, booking) {
      if (breach === undefined || booking === undefined || breach.shadow) return
      const { subject } = breach
      const { at } = booking
      if (at < (notedAt.get(subject) ?? -Infinity) + NOTE_EVERY_MS) return
      notedAt.set(subject, at)
      const kept = keepMs(breach)
      // Not noted again for a minute: until then its scores may change.
      runScript(link.calm, script, [key], [subject, at + NOTE_EVERY_MS, at - kept, MAX_SUBJECTS, kept])
        .catch((error: unknown) => {
          notedAt.delete(subject)
          complain(error, at)
        })
    },
    changedSince: (since) => link.calm.zrangebyscore(key, since, '+inf'),
  }
}
