import { userIdOf } from '../identity/contract.js'
import type { BanShelf } from './ban-shelf.js'
import type { Ban, BanLift } from './contract.js'
import { importedSubject, isPardoned, pardon, shownSubject } from './imported.js'
import { isInForce, placedAtOf } from './merge.js'

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
 * What lifting a ban takes along: of a user's, the addresses banned because of him, unless an operator banned
 * the address too or another user who is still banned holds it, and the backend's own ban of him. Lifting an address
 * frees no user. Nothing is in the plan when there is no ban.
 */
export function planLift (shelf: BanShelf, subject: string, question: LiftQuestion): LiftPlan {
  const ban = shelf.get(subject)
  const isStanding = ban !== undefined && isInForce(ban, question.now)
  return {
    ...isStanding ? planOwn(shelf, ban, question) : { lifted: [], changed: [] },
    pardoned: toPardon(shelf, subject, question.now),
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

function planOwn (shelf: BanShelf, ban: Ban, question: LiftQuestion): Pick<LiftPlan, 'lifted' | 'changed'> {
  const { linked, by, now } = question
  const lifted = [liftOf(ban, by, now)]
  const changed: Ban[] = []
  for (const subject of ban.linked) {
    const partner = shelf.get(subject)
    if (partner === undefined || !isInForce(partner, now)) continue
    const holders = partner.linked.filter((holder) => holder !== ban.subject)
    const held = partner.source === 'admin' || holders.some((holder) => isHeld(shelf, holder, now))
    if (linked && subject.startsWith('ip:') && !held) lifted.push(liftOf(partner, by, now))
    else changed.push({ ...partner, linked: holders })
  }
  return { lifted, changed }
}

/** An instant that the ban does not survive, also where it was placed by a clock ahead of ours. */
export function liftOf (ban: Ban, by: string, now: number): BanLift {
  return { subject: ban.subject, liftedAt: Math.max(now, placedAtOf(ban)), by }
}

function isHeld (shelf: BanShelf, subject: string, now: number): boolean {
  const ban = shelf.get(subject)
  return ban !== undefined && isInForce(ban, now)
}
