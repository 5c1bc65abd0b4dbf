import { isUserSubject, userIdOf } from '../identity/contract.js'
import type { BanShelf } from './ban-shelf.js'
import type { Ban, BanLift } from './contract.js'
import { importedSubject, isPardoned, pardon, shownSubject } from './imported.js'
import { isAutomatic, isInForce, placedAtOf } from './merge.js'

export interface LiftPlan {
  readonly lifted: readonly BanLift[]
  /** Bans that stay but are no longer linked with the lifted one. */
  readonly changed: readonly Ban[]
  /** The backend's own, which its record would bring back: kept, and without effect from now on. */
  readonly pardoned: readonly Ban[]
}

export interface LiftQuestion {
  readonly linked: boolean
  readonly by: string
  readonly now: number
}

/**
 * What lifting a ban takes along: of a user's, the ban of his other name, the addresses banned because of him, unless an
 * operator banned the address too or another user who is still banned holds it, and the backend's own ban of him.
 * Lifting an address frees no user. Nothing is in the plan when there is no ban.
 */
export function planLift (shelf: BanShelf, subject: string, question: LiftQuestion): LiftPlan {
  const ban = shelf.get(subject)
  const isStanding = ban !== undefined && isInForce(ban, question.now)
  return {
    ...isStanding ? planOwn(shelf, ban, question) : { lifted: [], changed: [] },
    pardoned: namesOf(ban, subject).flatMap((name) => toPardon(shelf, name, question.now)),
  }
}

/** Whom a plan frees, as others know them. */
export function freedBy ({ lifted, pardoned }: LiftPlan): readonly string[] {
  return [...new Set([...lifted, ...pardoned].map(({ subject }) => shownSubject(subject)))]
}

function toPardon (shelf: BanShelf, subject: string, now: number): Ban[] {
  const userId = userIdOf(subject)
  const ban = userId === undefined ? undefined : shelf.get(importedSubject(userId))
  return ban === undefined || !isInForce(ban, now) || isPardoned(ban) ? [] : [pardon(ban)]
}

function planOwn (shelf: BanShelf, ban: Ban, { linked, by, now }: LiftQuestion): Pick<LiftPlan, 'lifted' | 'changed'> {
  const standing = (subject: string) => {
    const kept = shelf.get(subject)
    return kept !== undefined && isInForce(kept, now) ? [kept] : []
  }
  const otherNames = namesOf(ban, ban.subject).slice(1).flatMap(standing).filter(isAutomatic)
  const own = [ban, ...otherNames]
  const lifted = own.map((one) => liftOf(one, by, now))
  const changed: Ban[] = []
  const names = new Set(own.map(({ subject }) => subject))
  const partners = new Set(own.flatMap((one) => one.linked).filter((subject) => !names.has(subject)))
  for (const partner of [...partners].flatMap(standing)) {
    const holders = partner.linked.filter((holder) => !names.has(holder))
    const held = !isAutomatic(partner) || holders.some((holder) => standing(holder).length > 0)
    if (linked && partner.subject.startsWith('ip:') && !held) lifted.push(liftOf(partner, by, now))
    else changed.push({ ...partner, linked: holders })
  }
  return { lifted, changed }
}

/** All names under which he is banned whose ban it is: only names of one person are linked with each other. */
function namesOf (ban: Ban | undefined, subject: string): readonly string[] {
  return isUserSubject(subject) ? [subject, ...(ban?.linked ?? []).filter(isUserSubject)] : [subject]
}

/** An instant that the ban does not survive, also where it was placed by a clock ahead of ours. */
export function liftOf (ban: Ban, by: string, now: number): BanLift {
  return { subject: ban.subject, liftedAt: Math.max(now, placedAtOf(ban)), by }
}
