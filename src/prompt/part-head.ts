import { isUtf8Charset } from './charset.js'
import { parseContentType } from './content-type.js'

/** What the head of a part in a multipart form says. */
export interface PartHead {
  readonly name: string
  /** A file to every backend: it has a name that none of them overlooks. */
  readonly isFile: boolean
}

const LINE = /^([\w-]+):[ \t]*((?:\P{Cc}|\t)*)$/u
/** Values in quotes hold no quote: whether a backslash before one escapes it is a matter of taste. */
const DISPOSITION = /^form-data(?:[ \t]*;[ \t]*(?:name|filename|filename\*)=(?:"(?:[^"\\]|\\[^"\\])*"|[^\s";\\]+))*[ \t]*$/i
const PARAMETER = /;[ \t]*(name|filename|filename\*)=(?:"([^"]*)"|([^\s";]+))/gi
/** Of the rest, some backends decode and others do not. */
const PLAIN_CODING = /^(?:7bit|8bit|binary)$/i
const TEXT_CHARSETS = /^(?:us-)?ascii$/

/** Reads a part's head, or says why backends may differ over it. */
export function parsePartHead (head: string): PartHead | 'MALFORMED_REQUEST' | 'UNSUPPORTED_ENCODING' {
  const lines = new Map<string, string>()
  for (const line of head.split('\r\n')) {
    const [, name, value] = LINE.exec(line) ?? []
    if (name === undefined || value === undefined || lines.has(name.toLowerCase())) return 'MALFORMED_REQUEST'
    lines.set(name.toLowerCase(), value.trim())
  }
  const part = parseDisposition(lines.get('content-disposition') ?? '')
  if (part === undefined || !PLAIN_CODING.test(lines.get('content-transfer-encoding') ?? 'binary')) return 'MALFORMED_REQUEST'
  if (part.isFile) return part
  const type = parseContentType(lines.get('content-type'))
  if (type === undefined || type.media.startsWith('multipart/')) return 'MALFORMED_REQUEST'
  const { charset } = type
  return isUtf8Charset(charset) || TEXT_CHARSETS.test(charset as string) ? part : 'UNSUPPORTED_ENCODING'
}

/** A name once, and at most one name of a file in each of its two forms. */
function parseDisposition (value: string): PartHead | undefined {
  if (!DISPOSITION.test(value)) return undefined
  const found = new Map<string, string>()
  for (const [, parameter = '', quoted, bare = quoted ?? ''] of value.matchAll(PARAMETER)) {
    if (found.has(parameter.toLowerCase())) return undefined
    found.set(parameter.toLowerCase(), bare)
  }
  const name = found.get('name')
  // An empty name of a file, or one in the extended form alone, makes a file for some backends and a text for others.
  return name === undefined ? undefined : { name, isFile: (found.get('filename') ?? '') !== '' }
}
