import type { Check } from '../exchange.js'
import type { IdentitySource } from '../identity/contract.js'
import { createSecretMatcher } from '../identity/identity.js'
import { faultVerdict } from '../replies/replies.js'

/** Refuses whoever does not prove that he may speak at all, before a byte of what he says; none where nobody has to. */
export function secretChecks (sources: readonly IdentitySource[]): Check[] {
  const matchers = sources.flatMap(({ secretHeader }) =>
    secretHeader?.required === true ? [createSecretMatcher(secretHeader)] : [])
  if (matchers.length === 0) return []
  const refusal = faultVerdict('WRONG_SECRET')
  return [(exchange) => matchers.every((matches) => matches(exchange)) ? undefined : refusal]
}
