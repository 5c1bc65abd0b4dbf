import type { Ban } from './contract.js'

/** Subjects that one ban remembers being linked with; the latest ones are kept. */
const MAX_LINKED = 200
const MAX_NOTE_LENGTH = 1000
/** Between what different bans had to say. */
const NOTE_END = '; '

/** Whether the ban turns its subject away at that instant. */
export function isInForce (ban: Ban, now: number): boolean {
  return ban.expiresAt === null || ban.expiresAt > now
}

/** One that the policy placed by itself; it is ignored while automatic bans are switched off. */
export function isAutomatic (ban: Ban): boolean {
  return ban.source !== 'admin'
}

/** The latest instant at which somebody placed it: a lift from then on ends it, an earlier one does not. */
export function placedAtOf (ban: Ban): number {
  return Math.max(ban.createdAt, ban.renewedAt ?? 0)
}

/**
 * One ban out of two of the same subject. The later end stays, with the reason that belongs to it; so banning
 * again never shortens. An operator's word stays an operator's: it holds even while automatic bans do not.
 * Merging what is already in it changes nothing, so that instances which merge the same bans agree. Members that
 * only another version knows are kept.
 */
export function mergeBans (standing: Ban, added: Ban): Ban {
  const [shorter, longer] = outlasts(standing, added) ? [added, standing] : [standing, added]
  const note = mergeNotes(standing.note, added.note)
  const placedAt = Math.max(placedAtOf(standing), placedAtOf(added))
  return {
    ...shorter,
    ...longer,
    source: isAutomatic(standing) && isAutomatic(added) ? longer.source : 'admin',
    linked: [...new Set([...standing.linked, ...added.linked])].slice(-MAX_LINKED),
    ...(placedAt > longer.createdAt ? { renewedAt: placedAt } : {}),
    ...(note === undefined ? {} : { note }),
  }
}

/** Of two that end together the younger stays, then the one with the higher score; in the end it must be one of them. */
function outlasts (one: Ban, other: Ban): boolean {
  const by = endOf(one) - endOf(other) || one.createdAt - other.createdAt || one.score - other.score
  return by === 0 ? `${one.violation} ${one.source}` > `${other.violation} ${other.source}` : by > 0
}

/** For comparisons: what never ends is later than whatever does. */
export function endOf (ban: Ban): number {
  return ban.expiresAt ?? Number.MAX_VALUE
}

function mergeNotes (first: string | undefined, second: string | undefined): string | undefined {
  if (first === undefined || second === undefined) return first ?? second
  return [...new Set([first, second].flatMap((note) => note.split(NOTE_END)))].join(NOTE_END).slice(0, MAX_NOTE_LENGTH)
}
