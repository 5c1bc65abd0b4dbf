import type { BanShelf } from './ban-shelf.js'
import type { Ban } from './contract.js'
import { isInForce } from './merge.js'

export interface LiftPlan {
  readonly lifted: readonly string[]
  /** Bans that stay but are no longer linked with the lifted one. */
  readonly changed: readonly Ban[]
}

export interface LiftQuestion {
  readonly linked: boolean
  readonly now: number
}

/**
 * What lifting a ban takes along: of a user's, the addresses banned because of him, unless an operator banned
 * the address too or another user who is still banned holds it. Lifting an address frees no user.
 */
export function planLift (shelf: BanShelf, ban: Ban, { linked, now }: LiftQuestion): LiftPlan {
  const lifted = [ban.subject]
  const changed: Ban[] = []
  for (const subject of ban.linked) {
    const partner = shelf.get(subject)
    if (partner === undefined) continue
    const holders = partner.linked.filter((holder) => holder !== ban.subject)
    const held = partner.source === 'admin' || holders.some((holder) => isHeld(shelf, holder, now))
    if (linked && subject.startsWith('ip:') && !held) lifted.push(subject)
    else changed.push({ ...partner, linked: holders })
  }
  return { lifted, changed }
}

function isHeld (shelf: BanShelf, subject: string, now: number): boolean {
  const ban = shelf.get(subject)
  return ban !== undefined && isInForce(ban, now)
}
