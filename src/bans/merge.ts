import type { Ban } from './contract.js'

/** Subjects that one ban remembers being linked with; the latest ones are kept. */
const MAX_LINKED = 200
const MAX_NOTE_LENGTH = 1000

/** Whether the ban turns its subject away at that instant. */
export function isInForce (ban: Ban, now: number): boolean {
  return ban.expiresAt === null || ban.expiresAt > now
}

/** One that the policy placed by itself; it is ignored while automatic bans are switched off. */
export function isAutomatic (ban: Ban): boolean {
  return ban.source !== 'admin'
}

/**
 * One ban out of two of the same subject. The later end stays, with the reason that belongs to it; so banning
 * again never shortens. An operator's word stays an operator's: it holds even while automatic bans do not.
 */
export function mergeBans (standing: Ban, added: Ban): Ban {
  const longer = endOf(added) >= endOf(standing) ? added : standing
  const note = mergeNotes(standing.note, added.note)
  return {
    ...longer,
    source: isAutomatic(standing) && isAutomatic(added) ? longer.source : 'admin',
    linked: [...new Set([...standing.linked, ...added.linked])].slice(-MAX_LINKED),
    ...(note === undefined ? {} : { note }),
  }
}

function endOf (ban: Ban): number {
  return ban.expiresAt ?? Infinity
}

function mergeNotes (first: string | undefined, second: string | undefined): string | undefined {
  if (first === undefined || second === undefined) return first ?? second
  return first.includes(second) ? first : `${first}; ${second}`.slice(0, MAX_NOTE_LENGTH)
}
