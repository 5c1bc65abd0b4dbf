import { decodeText, isUtf8Charset } from './charset.js'
import { parseContentType } from './content-type.js'
import type { PromptSource } from './extract-prompt.js'
import { readUrlencoded, type FormFault } from './form-fields.js'
import { readMultipart } from './multipart.js'
import { readStrictJsonInTurns, type JsonFault } from './strict-json.js'

export type InspectionFault = JsonFault | FormFault

const FORM = 'application/x-www-form-urlencoded'
const MULTIPART = 'multipart/form-data'
const NOTHING: PromptSource = { json: undefined, fields: undefined }
/** White space, zeros of wider encodings and byte order marks. */
const BEFORE_JSON: ReadonlySet<number> = new Set([0x00, 0x09, 0x0a, 0x0d, 0x20, 0xef, 0xbb, 0xbf, 0xfe, 0xff])
const MOST_BEFORE = 16 * 1024
const OPEN_LIST = 0x5b
const OPEN_MAP = 0x7b

/**
 * Reads a body, already without its content coding, as the backend will, whichever backend it is; or says why that
 * cannot be. JSON is demanded of what claims to be JSON and of what begins like it, as many backends ask no type.
 */
export async function readInspectedBody (
  body: Buffer, header: string | undefined
): Promise<PromptSource | InspectionFault> {
  if (body.length === 0) return NOTHING
  const type = parseContentType(header)
  if (type === undefined) return 'MALFORMED_REQUEST'
  if (type.media === MULTIPART) {
    const fields = isUtf8Charset(type.charset) ? await readMultipart(body, type.boundary) : 'UNSUPPORTED_ENCODING'
    return typeof fields === 'string' ? fields : { json: undefined, fields }
  }
  const fields = type.media === FORM ? readUrlencoded(body, type.charset) : undefined
  if (typeof fields === 'string') return fields
  if (!type.media.includes('json') && !beginsLikeJson(body)) return { json: undefined, fields }
  const { text, fault } = { text: '', ...decodeText(body, type.charset) }
  if (fault !== undefined) return fault
  const reading = await readStrictJsonInTurns(text)
  return reading.fault ?? { json: reading.value, fields }
}

/** In any encoding that a JSON parser might detect by itself. True also where it begins like nothing at all. */
export function beginsLikeJson (body: Buffer): boolean {
  for (let i = 0; i < MOST_BEFORE; i++) {
    const byte = body[i]
    if (byte === undefined) return false
    if (!BEFORE_JSON.has(byte)) return byte === OPEN_MAP || byte === OPEN_LIST
  }
  return true
}
