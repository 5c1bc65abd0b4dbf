import type { Exchange } from '../exchange.js'
import { followPointer } from '../json-pointer.js'
import { foldEmail, type AccountRule } from './contract.js'

/** An e-mail address is shorter (RFC 5321); anything longer names no account. */
const LONGEST_EMAIL = 320
const FORM = 'application/x-www-form-urlencoded'

/** The e-mail that a sign-in names: a single text in JSON or in a form, folded; undefined when there is none. */
export function loginEmail (exchange: Exchange, { email: pointer }: AccountRule): string | undefined {
  const isForm = exchange.headers['content-type']?.toLowerCase().startsWith(FORM) === true
  const found = isForm ? formField(exchange.body, pointer.at(-1) ?? '') : followPointer(exchange.json, pointer)
  if (typeof found !== 'string' || found.length > LONGEST_EMAIL) return undefined
  const email = foldEmail(found)
  return email === '' ? undefined : email
}

/** A field that comes several times is no single text to the backend either. */
function formField (body: Buffer | undefined, name: string): string | undefined {
  const values = new URLSearchParams(body?.toString() ?? '').getAll(name)
  return values.length === 1 ? values[0] : undefined
}
