import { userSubject } from '../identity/contract.js'
import type { BanPolicy } from '../policy/contract.js'
import type { ScoreStore } from '../violations/contract.js'
import type { AddressUsers } from './contract.js'

/** A user who did nothing in that time is a bystander. */
const CLEAN_FOR_MS = 24 * 3_600_000

export interface GuardQuestion {
  /** The `ip:` subject. */
  readonly address: string
  /** The id of him whose violation it was; undefined: it was anonymous. */
  readonly user: string | undefined
  readonly rules: BanPolicy
  readonly now: number
}

/** Spares an address that many share (CONTRACT §4), so that one person's ban does not hit a whole office. */
export interface AddressGuard {
  /** The sentence for the record when the address is spared; undefined: it is banned too. */
  whySpared (question: GuardQuestion): Promise<string | undefined>
}

export interface AddressGuardDeps {
  readonly users: AddressUsers
  /** Knows who among an address's users has violations. */
  readonly scores: Pick<ScoreStore, 'cleanSince'>
}

export function createAddressGuard ({ users, scores }: AddressGuardDeps): AddressGuard {
  return {
    whySpared: async ({ address, user, rules, now }) => {
      const { enabled, sharedBy, withinMs } = rules.address
      if (!enabled) return `${address} was spared: addresses are not banned by policy`
      if (sharedBy === 0) return undefined
      const since = now - withinMs
      const [banned, others] = await Promise.all([
        users.bannedSince(address, since), users.seenSince(address, since, user),
      ])
      if (banned >= 2 || others.length <= sharedBy) return undefined
      const bystanders = await scores.cleanSince(others.map(userSubject), now - CLEAN_FOR_MS)
      if (bystanders.length <= sharedBy) return undefined
      return `${address} was spared: ${bystanders.length} other users without a violation use it`
    },
  }
}
