import { hash, timingSafeEqual } from 'node:crypto'
import type { IdentityRequest, SecretHeader } from './contract.js'
import { fieldValues } from './head-fields.js'

/** Whether a request carries a secret. */
export type SecretMatcher = (request: Pick<IdentityRequest, 'rawHeaders'>) => boolean

/** Exactly one field with the secret. Hashes are compared, so that neither content nor length shows in the time it takes. */
export function createSecretMatcher ({ name, value }: Pick<SecretHeader, 'name' | 'value'>): SecretMatcher {
  const expected = hash('sha256', value, 'buffer')
  const field = name.toLowerCase()
  return ({ rawHeaders }) => {
    const [given, more] = fieldValues(rawHeaders, field)
    if (given === undefined || more !== undefined) return false
    return timingSafeEqual(hash('sha256', given, 'buffer'), expected)
  }
}
