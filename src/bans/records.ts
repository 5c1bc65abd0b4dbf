import type { Log } from '../log.js'
import { isDeepStrictEqual } from 'node:util'
import type { Ban } from './contract.js'
import { keptSubject } from './subjects.js'

/** A ban that one of us wants to place, in canonical spelling. Throws on misuse. */
export function checked (ban: Ban): Ban {
  const subject = keptSubject(ban.subject)
  if (subject === undefined) throw new TypeError(`cannot ban ${ban.subject}`)
  if (ban.expiresAt !== null && !Number.isFinite(ban.expiresAt)) throw new TypeError(`a ban of ${subject} without an end`)
  return { ...ban, subject, linked: ban.linked.map((other) => keptSubject(other) ?? other) }
}

/**
 * A ban that a store kept. One whose end cannot be read holds until it is lifted: a damaged record is no way out.
 * One whose subject cannot be read is told and left alone.
 */
export function readable (ban: Ban, log: Log): Ban | undefined {
  const subject = keptSubject(ban.subject)
  if (subject === undefined) {
    log.warn({ subject: ban.subject }, 'a stored ban names no user and no address')
    return undefined
  }
  if (ban.expiresAt === null || Number.isFinite(ban.expiresAt)) return { ...ban, subject }
  log.warn({ subject }, 'a stored ban has no readable end and holds until it is lifted')
  return { ...ban, subject, expiresAt: null }
}

/** Whether two bans are alike, apart from one member. */
export function isSameBut (member: keyof Ban, one: Ban, other: Ban): boolean {
  return isDeepStrictEqual({ ...one, [member]: undefined }, { ...other, [member]: undefined })
}
