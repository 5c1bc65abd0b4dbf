import { subjectOf, type Identity, type SubjectKind } from '../identity/contract.js'
import type { ConcurrencyRule } from '../policy/contract.js'

/**
 * Whom a message's slot is counted for: `user:42`, `ip:203.0.113.9`, `global`, `ip:…+user:…`.
 * Undefined when a part is not known (no verified user): then there is nobody to count for and the rule does not apply.
 */
export function holderOf (key: readonly SubjectKind[], identity: Identity): string | undefined {
  const parts: string[] = []
  for (const part of key) {
    const subject = subjectOf(part, identity)
    if (subject === undefined) return undefined
    parts.push(subject)
  }
  return parts.length === 0 ? undefined : parts.join('+')
}

/**
 * Whose slots an answer to this request may free; undefined: nobody's. With credentials of several users in one
 * request the backend may have answered for another than we counted, so its answer proves nothing.
 */
export function holderSpokenFor (rule: ConcurrencyRule, identity: Identity): string | undefined {
  const { user, users } = identity
  if (rule.key.includes('user') && users.some(({ id }) => id !== user?.id)) return undefined
  return holderOf(rule.key, identity)
}
