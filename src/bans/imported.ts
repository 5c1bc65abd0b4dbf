/**
 * Bans that the backend keeps by itself and that hold here too. They are kept under subjects of their own, so that a
 * user's ban of ours and the backend's never merge: each ends by itself. Everybody outside reads them as the user's.
 */
import { userIdOf, userSubject } from '../identity/contract.js'
import type { Ban } from './contract.js'

const PREFIX = 'backend:'

/** The subject under which the backend's ban of this user is kept. */
export function importedSubject (userId: string): string {
  return PREFIX + userId
}

/** The user's id in such a subject; undefined for any other subject. */
export function importedIdOf (subject: string): string | undefined {
  return subject.startsWith(PREFIX) ? subject.slice(PREFIX.length) : undefined
}

/** Whether an operator lifted it: it is kept, and holds nobody, while the backend's record stays as it was then. */
export function isPardoned ({ row, liftedRow }: Ban): boolean {
  return row !== undefined && row === liftedRow
}

export function pardon (ban: Ban): Ban {
  return ban.row === undefined ? ban : { ...ban, liftedRow: ban.row }
}

/** A kept subject as others know it. */
export function shownSubject (subject: string): string {
  const userId = importedIdOf(subject)
  return userId === undefined ? subject : userSubject(userId)
}

/** A kept ban as others know it. */
export function shownBan (ban: Ban): Ban {
  const subject = shownSubject(ban.subject)
  return subject === ban.subject ? ban : { ...ban, subject }
}

/** The subject under which a ban is kept that others know. */
export function keptSubjectOf ({ subject, source }: Ban): string {
  const userId = source === 'backend' ? userIdOf(subject) : undefined
  return userId === undefined ? subject : importedSubject(userId)
}
