import type { Exchange } from '../exchange.js'
import { followPointer } from '../json-pointer.js'
import { foldEmail, type AccountRule } from './contract.js'

/** An e-mail address is shorter (RFC 5321); anything longer names no account. */
const LONGEST_EMAIL = 320

/**
 * The e-mail that a sign-in names, folded: a single text where the pointer leads in JSON, or in the form's field of its
 * last part; undefined when there is none.
 */
export function loginEmail ({ form, json }: Exchange, { email: pointer }: AccountRule): string | undefined {
  const found = form === undefined ? followPointer(json, pointer) : followPointer(form, pointer.slice(-1))
  if (typeof found !== 'string' || found.length > LONGEST_EMAIL) return undefined
  const email = foldEmail(found)
  return email === '' ? undefined : email
}
