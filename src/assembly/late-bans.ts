import type { Ban, BanBook } from '../bans/contract.js'
import { userIdOf } from '../identity/contract.js'
import type { Log } from '../log.js'
import type { BanPolicy } from '../policy/contract.js'
import type { LateCrossing } from '../stores/contract.js'

export interface LateBansOptions {
  readonly bans: BanBook
  /** Rules of the policy in force. */
  readonly rules: () => BanPolicy
  /** Whether the policy in force exempts a user. */
  readonly isExempt: (userId: string) => boolean
  readonly log: Log
}

/**
 * Places the bans of violations that the shared store heard of late. Only users are banned like that: what spares an
 * address (a proxy, many innocent users) was known to the request, which is gone.
 */
export function createLateBans ({ bans, rules, isExempt, log }: LateBansOptions) {
  return async ({ breach, booking, happenedAt }: LateCrossing): Promise<void> => {
    const { enabled, durationMs } = rules()
    const user = userIdOf(breach.subject)
    if (!enabled || !(durationMs > 0) || breach.shadow || user === undefined || isExempt(user)) return
    if (bans.get(breach.subject) !== undefined) return
    const ban: Ban = {
      subject: breach.subject,
      violation: breach.type,
      score: booking.after,
      createdAt: happenedAt,
      expiresAt: happenedAt + durationMs,
      source: 'auto',
      linked: [],
      note: 'placed late: the store was away when it happened',
    }
    log.info({ bans: [ban.subject], violation: ban.violation }, 'banned for violations of a time without the store')
    await bans.place([ban])
  }
}
