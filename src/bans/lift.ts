import type { BanShelf } from './ban-shelf.js'
import type { Ban, BanLift } from './contract.js'
import { isInForce, placedAtOf } from './merge.js'

export interface LiftPlan {
  readonly lifted: readonly BanLift[]
  /** Bans that stay but are no longer linked with the lifted one. */
  readonly changed: readonly Ban[]
}

export interface LiftQuestion {
  readonly linked: boolean
  readonly by: string
  readonly now: number
}

/**
 * What lifting a ban takes along: of a user's, the addresses banned because of him, unless an operator banned
 * the address too or another user who is still banned holds it. Lifting an address frees no user.
 */
export function planLift (shelf: BanShelf, ban: Ban, question: LiftQuestion): LiftPlan {
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
