import { hash, timingSafeEqual } from 'node:crypto'
import type { IdentityRequest, SecretHeader } from './contract.js'
import { fieldValues } from './head-fields.js'

/** Whether a request carries a secret. */
export type SecretMatcher = (request: Pick<IdentityRequest, 'rawHeaders'>) => boolean

/**
 * Exactly one field with the secret. Hashes are compared, so that neither content nor length shows in the time it takes;
 * once for a request, however often it is asked.
 */
export function createSecretMatcher ({ name, value }: Pick<SecretHeader, 'name' | 'value'>): SecretMatcher {
  const expected = hash('sha256', value, 'buffer')
  const field = name.toLowerCase()
  const known = new WeakMap<readonly string[], boolean>()
  return ({ rawHeaders }) => {
    const answer = known.get(rawHeaders) ?? isRight(fieldValues(rawHeaders, field), expected)
    known.set(rawHeaders, answer)
    return answer
  }
}

function isRight ([given, more]: readonly string[], expected: Buffer): boolean {
  return given !== undefined && more === undefined && timingSafeEqual(hash('sha256', given, 'buffer'), expected)
}
