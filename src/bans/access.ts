import { createAddressMatcher } from '../identity/identity.js'
import { userSubject, type Identity, type VerifiedUser } from '../identity/contract.js'
import type { AccessRules } from '../policy/contract.js'

/** The policy's lists of subjects, compiled once when the policy is loaded. */
export interface Access {
  /** The user of the first credential, or the address, is never scored, suspended or banned. */
  isExempt (identity: Identity): boolean
  isExemptUser (user: VerifiedUser): boolean
  isExemptAddress (address: string): boolean
  /**
   * The subject that the policy's `deny` names. Being named beats an exemption of something else: a denied user
   * does not pass on an exempt address, nor a denied address for an exempt user; only what is itself on both
   * lists passes.
   */
  deniedSubject (identity: Identity): string | undefined
  /** False: everybody may come. */
  readonly hasAllowlist: boolean
  /**
   * True without an allowlist; else where there is a group, when it is on the list of groups, and where there is none,
   * when every verified user is on that of users. Nobody is on it only where everybody is.
   */
  isAllowed (identity: Identity): boolean
}

/** Throws when a list holds what is no address: the policy's compilation has reported it before. */
export function createAccess (rules: AccessRules): Access {
  const isExemptAddress = createAddressMatcher(rules.exemptAddresses)
  const isDeniedAddress = createAddressMatcher(rules.denyAddresses)
  const isExemptUser = userMatcherOf(rules.exemptUsers)
  const isDeniedUser = userMatcherOf(rules.denyUsers)
  const isAllowedUser = userMatcherOf(rules.allowUsers)
  const { allowUsers, allowGroups } = rules
  const hasAllowlist = rules.allowRequired || allowUsers.size + allowGroups.size > 0
  const isOpen = { users: allowUsers.has(EVERYBODY), groups: allowGroups.has(EVERYBODY) }
  return {
    isExempt: ({ user, client }) => (user !== undefined && isExemptUser(user)) || isExemptAddress(client.address),
    isExemptUser,
    isExemptAddress,
    deniedSubject: ({ users, client }) => {
      for (const user of users) {
        if (isDeniedUser(user) && !isExemptUser(user)) return userSubject(user.id)
      }
      return isDeniedAddress(client.address) && !isExemptAddress(client.address) ? client.subject : undefined
    },
    hasAllowlist,
    isAllowed: ({ users, group }) => {
      if (!hasAllowlist) return true
      if (group !== undefined) return isOpen.groups || allowGroups.has(group)
      return isOpen.users || (users.length > 0 && users.every(isAllowedUser))
    },
  }
}

const EVERYBODY = '*'
const never = () => false

/** By id as written, under either name, by verified e-mail in any case. An id may itself be an e-mail. */
function userMatcherOf (names: ReadonlySet<string>): (user: VerifiedUser) => boolean {
  if (names.size === 0) return never
  const known = new Set([...names, ...[...names].filter((name) => name.includes('@')).map((name) => name.toLowerCase())])
  const isNamed = (id: string) => known.has(id) || (id.includes('@') && known.has(id.toLowerCase()))
  return ({ id, email, alias }) => isNamed(id) || (email !== undefined && known.has(email.toLowerCase())) ||
    (alias !== undefined && isNamed(alias))
}
