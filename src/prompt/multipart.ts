import { isUtf8 } from 'node:buffer'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { addField, type FieldMap, type Fields, type FormFault } from './form-fields.js'
import { parsePartHead } from './part-head.js'

/** As many as Starlette takes. */
const MOST_PARTS = 1_000
/** As much as busboy takes. */
const LONGEST_HEAD = 16 * 1024
/** How much is searched before others have their turn. */
const SEARCH_BYTES = 512 * 1024
const BOUNDARY = /^[\w'()+,./:=?-]{1,70}$/
const LINE_END = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')
const DASHES = Buffer.from('--')

/**
 * The texts of a multipart form by field, files left out. Strict on purpose, unlike the libraries, which forgive each
 * in its own way: what one backend would read otherwise than another (a second name, a delimiter amid a line, a part
 * within a part, an encoding) is no form here. Takes time linear in the body, in several turns
 * of the event loop where it is long.
 */
export async function readMultipart (body: Buffer, boundary = ''): Promise<Fields | FormFault> {
  if (!BOUNDARY.test(boundary)) return 'MALFORMED_REQUEST'
  const delimiter = Buffer.from(`--${boundary}`)
  const fields: FieldMap = new Map()
  let at = startsWith(body, LINE_END, 0) ? LINE_END.length : 0
  if (!startsWith(body, delimiter, at)) return 'MALFORMED_REQUEST'
  for (let parts = 0; ; parts++) {
    at += delimiter.length
    if (startsWith(body, DASHES, at)) return isEnd(body, at + DASHES.length) ? fields : 'MALFORMED_REQUEST'
    if (parts === MOST_PARTS) return 'BODY_TOO_LARGE'
    const end = await findFrom(body, delimiter, at)
    const fault = end === -1 ? 'MALFORMED_REQUEST' : addPart(fields, body.subarray(at, end))
    if (fault !== undefined) return fault
    at = end
  }
}

/** Takes what stands between two delimiters: a line's end, the head, an empty line, the content, a line's end. */
function addPart (fields: FieldMap, part: Buffer): FormFault | undefined {
  const end = part.length - LINE_END.length
  const headEnd = part.subarray(0, LONGEST_HEAD).indexOf(HEAD_END)
  if (!startsWith(part, LINE_END, 0) || headEnd === -1 || end < headEnd + HEAD_END.length) return 'MALFORMED_REQUEST'
  if (!startsWith(part, LINE_END, end)) return 'MALFORMED_REQUEST'
  const head = parsePartHead(part.toString('utf8', LINE_END.length, headEnd))
  if (typeof head === 'string') return head
  if (head.isFile) return undefined
  const content = part.subarray(headEnd + HEAD_END.length, end)
  if (!isUtf8(content)) return 'UNSUPPORTED_ENCODING'
  addField(fields, head.name, content.toString())
  return undefined
}

async function findFrom (body: Buffer, wanted: Buffer, from: number): Promise<number> {
  for (let start = from; start < body.length; start += SEARCH_BYTES) {
    if (start > from) await nextTurn()
    const found = body.subarray(start, start + SEARCH_BYTES + wanted.length - 1).indexOf(wanted)
    if (found !== -1) return start + found
  }
  return -1
}

/** What may stand behind the last delimiter. */
function isEnd (body: Buffer, at: number): boolean {
  return at === body.length || (at + LINE_END.length === body.length && startsWith(body, LINE_END, at))
}

function startsWith (body: Buffer, start: Buffer, at: number): boolean {
  return body.subarray(at, at + start.length).equals(start)
}
