import type { IncomingHttpHeaders } from 'node:http'
import { parseJson } from '../parse-json.js'
import { mediaTypeOf } from '../tap/body-tap.js'
import { codingsOf, decodeWhole } from '../tap/content-coding.js'
import { lenientText } from './body-text.js'

/** Lists and maps in one body; a chat message has a few, with quotes and files perhaps hundreds. */
const MOST_BRACKETS = 20_000
const OPEN_LIST = 0x5b
const OPEN_MAP = 0x7b
const FORM = 'application/x-www-form-urlencoded'
/** Express, whose backends we guard, refuses forms with more fields. */
const MOST_FIELDS = 1_000

export interface ParseOptions {
  readonly headers: IncomingHttpHeaders
  /** Of the body once it is decoded. */
  readonly maxBytes: number
}

/**
 * Undoes a body's content coding as a backend does, or what it says would not count here. Undefined: damaged, or in a
 * coding that we do not read; the backend refuses it.
 */
export function decodeBody (body: Buffer, { headers, maxBytes }: ParseOptions): Buffer | 'BODY_TOO_LARGE' | undefined {
  const applied = codingsOf(headers['content-encoding'])
  if (applied === undefined) return undefined
  try {
    return decodeWhole(body, applied, maxBytes)
  } catch (error) {
    const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    return isTooLarge ? 'BODY_TOO_LARGE' : undefined
  }
}

/**
 * A body as JSON. Undefined: it is none, or has so many lists and maps that taking them apart would cost a multiple of
 * its size.
 */
export function parseBody (body: Buffer, type?: string): unknown {
  return hasTooManyBrackets(body) ? undefined : parseJson(lenientText(body, type))
}

/** The fields of a form, those that come several times left out: they are no single text to a backend. */
export function parseForm (body: Buffer, headers: IncomingHttpHeaders): Readonly<Record<string, string>> | undefined {
  if (!isForm(headers)) return undefined
  const text = body.toString()
  if (text.split('&', MOST_FIELDS + 1).length > MOST_FIELDS) return undefined
  const fields = [...new URLSearchParams(text)]
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const [name] of fields) (seen.has(name) ? repeated : seen).add(name)
  return Object.fromEntries(fields.filter(([name]) => !repeated.has(name)))
}

export function isForm (headers: IncomingHttpHeaders): boolean {
  return mediaTypeOf(headers) === FORM
}

/** Brackets within texts count too: an honest body stays far below either way. */
function hasTooManyBrackets (body: Buffer): boolean {
  let brackets = 0
  for (const byte of body) {
    if ((byte === OPEN_LIST || byte === OPEN_MAP) && ++brackets > MOST_BRACKETS) return true
  }
  return false
}
