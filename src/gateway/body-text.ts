/** What the bytes of bodies and messages say. */
import type { FaultCode } from '../errors.js'
import type { Exchange } from '../exchange.js'
import { codingsOf, decodeWholeAside } from '../tap/content-coding.js'
import type { Message } from '../upstream/frame-contract.js'

const UNDECODED = { 'too-large': 'BODY_TOO_LARGE', damaged: 'MALFORMED_REQUEST' } as const
const CHARSET = /;\s*charset="?([\w-]{1,20})/i

const utf8 = new TextDecoder()

/** The body without its content coding: the very same bytes where it has none. Or why that cannot be. */
export function plainBody (
  { body, headers, plan }: Pick<Exchange, 'body' | 'headers' | 'plan'>
): Buffer | FaultCode | Promise<Buffer | FaultCode> {
  const applied = codingsOf(headers['content-encoding'])
  if (applied === undefined) return 'UNSUPPORTED_ENCODING'
  if (body === undefined) return 'INTERNAL'
  if (applied.length === 0 || body.length === 0) return body
  return decodeWholeAside(body, applied, plan.bodyLimit)
    .then((plain) => typeof plain === 'string' ? UNDECODED[plain] : plain)
}

/** As lenient backends read it: UTF-16 where the type says so, else UTF-8. A byte order mark is cut off. */
export function lenientText (bytes: Buffer, type = ''): string {
  const charset = CHARSET.exec(type)?.[1]?.toLowerCase()
  if (charset?.startsWith('utf-16') !== true) return utf8.decode(bytes)
  return new TextDecoder(charset === 'utf-16be' ? charset : 'utf-16le').decode(bytes)
}

/** A message as text; a binary one in UTF-8, or in UTF-16 in either order of bytes, as parsers of bytes guess it. */
export function messageText ({ data, binary }: Message): string {
  if (!binary) return data.toString()
  if (isUtf16(data, 1)) return data.toString('utf16le')
  return isUtf16(data, 0) ? Buffer.from(data).subarray(0, data.length & ~1).swap16().toString('utf16le') : data.toString()
}

/** Its first character is of ASCII, so one of its two bytes is 0; or the mark says so, its 0xFE in the same place. */
function isUtf16 (data: Buffer, at: 0 | 1): boolean {
  return data.length >= 2 && (data[at] === 0 || (data[at] === 0xfe && data[1 - at] === 0xff))
}
