import { isUtf8Charset } from './charset.js'

/** All texts of a form, by field, in the order in which they came. */
export type Fields = ReadonlyMap<string, readonly string[]>
export type FieldMap = Map<string, string[]>
export type FormFault = 'MALFORMED_REQUEST' | 'UNSUPPORTED_ENCODING' | 'BODY_TOO_LARGE'

/** Express and Starlette refuse forms with more fields. */
const MOST_FIELDS = 1_000
/** Taking escapes apart is slow. Express refuses such forms above 100 KiB unless it is told otherwise. */
const MOST_BYTES = 256 * 1024

/** The texts of an urlencoded form by field, every one of a field that comes several times. */
export function readUrlencoded (body: Buffer, charset: string | undefined): Fields | FormFault {
  if (!isUtf8Charset(charset)) return 'UNSUPPORTED_ENCODING'
  if (body.length > MOST_BYTES) return 'BODY_TOO_LARGE'
  const text = body.toString()
  if (text.split('&', MOST_FIELDS + 1).length > MOST_FIELDS) return 'BODY_TOO_LARGE'
  const fields: FieldMap = new Map()
  // A question mark at the beginning is part of the first name, which `URLSearchParams` would cut off.
  for (const [name, value] of new URLSearchParams(`&${text}`)) addField(fields, name, value)
  return fields
}

export function addField (fields: FieldMap, name: string, value: string): void {
  const values = fields.get(name)
  if (values === undefined) fields.set(name, [value])
  else values.push(value)
}
