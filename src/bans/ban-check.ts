import type { Check, Exchange } from '../exchange.js'
import { isUserSubject, type Identity } from '../identity/contract.js'
import { isPerson } from '../identity/identity.js'
import { BANNED_MESSAGE, type BanVerdict } from '../verdict/verdict.js'
import type { Access } from './access.js'
import type { AddressUsers, Ban, BanBook, FindOptions } from './contract.js'

const ALL_BANS: FindOptions = { manualOnly: false }
const MANUAL_BANS: FindOptions = { manualOnly: true }

export interface BanCheckDeps {
  readonly book: BanBook
  readonly access: Access
  /** `bans.enabled` of the policy: false ignores the bans that were placed automatically. */
  readonly automatic: boolean
  /** Learns which users come from which address. */
  readonly users: AddressUsers
}

/**
 * Turns away whom the policy denies or a ban holds, before anything else is looked at. Answers at once, except
 * that nobody is refused by a ban that is not yet on the disk.
 */
export function createBanCheck ({ book, access, automatic, users }: BanCheckDeps): Check {
  const options = automatic ? ALL_BANS : MANUAL_BANS
  return (exchange) => {
    const { identity } = exchange
    const denied = access.deniedSubject(identity)
    if (denied !== undefined) return denial(denied)
    const ban = banOf(identity, exchange.receivedAt)
    if (ban !== undefined) return refuse(ban, exchange)
    const { client, user } = identity
    if (user !== undefined && isPerson(user)) users.seen(client.subject, user.id, exchange.receivedAt)
    return undefined
  }

  /** An exempt address passes whole; an exempt user passes for himself and, as who calls, from a banned address. */
  function banOf ({ user, users: all, client }: Identity, now: number): Ban | undefined {
    if (book.size === 0 || access.isExemptAddress(client.address)) return undefined
    if (!all.some(access.isExemptUser)) return book.find(all, client.address, now, options)
    const exempt = user !== undefined && access.isExemptUser(user)
    const others = all.filter((other) => !access.isExemptUser(other))
    return book.find(others, exempt ? '' : client.address, now, options)
  }

  function refuse (ban: Ban, { receivedAt }: Exchange): BanVerdict | Promise<BanVerdict> {
    const verdict = refusal(ban, receivedAt)
    const written = book.durable(ban)
    return written === undefined ? verdict : written.then(() => verdict)
  }
}

function refusal (ban: Ban, now: number): BanVerdict {
  return {
    kind: 'ban',
    rule: 'ban',
    status: 403,
    message: BANNED_MESSAGE,
    subject: ban.subject,
    reason: ban.violation,
    expiresAt: ban.expiresAt,
    ofUser: isUserSubject(ban.subject),
    ...(ban.expiresAt === null ? {} : { retryAfterMs: Math.max(0, ban.expiresAt - now) }),
  }
}

function denial (subject: string): BanVerdict {
  return {
    kind: 'ban',
    rule: 'deny',
    status: 403,
    message: BANNED_MESSAGE,
    subject,
    reason: 'denied',
    expiresAt: null,
    ofUser: isUserSubject(subject),
  }
}
