import { isAscii, isUtf8 } from 'node:buffer'

const UTF_8: ReadonlySet<string> = new Set(['utf-8', 'utf8'])
const LATIN_1: ReadonlySet<string> = new Set(['iso-8859-1', 'latin1', 'us-ascii', 'ascii'])
const MARK = Buffer.from('\ufeff')
const decoders = new Map(['utf-16le', 'utf-16be'].map((charset) => [charset, new TextDecoder(charset, { fatal: true })]))

/** True for the charsets that are UTF-8, or say nothing else. */
export function isUtf8Charset (charset: string | undefined): boolean {
  return charset === undefined || UTF_8.has(charset)
}

export interface DecodeOptions {
  /** A byte order mark in front of UTF-8 stays; elsewhere, and otherwise, it is cut off. */
  readonly keepMark?: boolean
}

type Decoded =
  | { readonly text: string, readonly fault?: undefined }
  | { readonly fault: 'INVALID_JSON' | 'UNSUPPORTED_ENCODING' }

/**
 * The bytes of a JSON body as text. `UNSUPPORTED_ENCODING`: a charset that we do not read, or one that backends are
 * known to ignore where that changes what the text says.
 */
export function decodeText (
  bytes: Buffer, charset: string | undefined, { keepMark = false }: DecodeOptions = {}
): Decoded {
  if (charset === undefined || UTF_8.has(charset)) return decodeUtf8(bytes, keepMark)
  if (LATIN_1.has(charset)) return decodeLatin1(bytes)
  const decoder = decoders.get(charset === 'utf-16' ? utf16Of(bytes) : charset)
  if (decoder === undefined) return { fault: 'UNSUPPORTED_ENCODING' }
  try {
    return { text: decoder.decode(bytes) }
  } catch {
    return { fault: 'INVALID_JSON' }
  }
}

/** Ill-formed bytes are no text: some backends would drop them, others replace, others refuse. */
function decodeUtf8 (bytes: Buffer, keepMark: boolean): Decoded {
  if (!isUtf8(bytes)) return { fault: 'INVALID_JSON' }
  const isMarked = !keepMark && bytes.subarray(0, MARK.length).equals(MARK)
  return { text: bytes.toString('utf8', isMarked ? MARK.length : 0) }
}

/** JSON is UTF-8 to most backends whatever its type says (RFC 8259): what is text either way has two readings. */
function decodeLatin1 (bytes: Buffer): Decoded {
  if (!isAscii(bytes) && isUtf8(bytes)) return { fault: 'UNSUPPORTED_ENCODING' }
  return { text: bytes.toString('latin1') }
}

/** By its mark, or by the zero that stands beside the first character of any JSON. */
function utf16Of (bytes: Buffer): 'utf-16be' | 'utf-16le' {
  const [first] = bytes
  return first === 0 || first === 0xfe ? 'utf-16be' : 'utf-16le'
}
