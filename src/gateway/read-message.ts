import type { FaultCode } from '../errors.js'
import { beginsLikeJson, readStrictJson, readStrictJsonInTurns, type JsonReading } from '../prompt/prompt.js'
import type { Message } from '../upstream/frame-contract.js'

const BOM = '\ufeff'

/** Longer messages take turns with others. */
const LONG_TEXT = 64 * 1024

export type MessageReading =
  | { readonly json: unknown, readonly fault?: undefined }
  | { readonly fault: FaultCode }

/** Binary, and nothing that any backend could read as JSON. */
const NO_JSON: MessageReading = { json: undefined }

/**
 * A WebSocket message as JSON that reads the same to everybody. A text message is meant to be JSON; a binary one is,
 * where it begins like it.
 */
export function readMessage (message: Message): MessageReading | Promise<MessageReading> {
  const { data, binary } = message
  if (binary && !beginsLikeJson(data)) return NO_JSON
  const text = binary ? withoutMark(writtenIn(message)) : writtenIn(message)
  const conclude = (reading: JsonReading): MessageReading =>
    reading.fault === undefined ? { json: reading.value } : reading
  return text.length <= LONG_TEXT ? conclude(readStrictJson(text)) : readStrictJsonInTurns(text).then(conclude)
}

/** A message as text; a binary one in UTF-8, or in UTF-16 in either order of bytes, as parsers of bytes guess it. */
export function writtenIn ({ data, binary }: Message): string {
  if (!binary) return data.toString()
  return isUtf16(data, 1)
    ? data.toString('utf16le')
    : isUtf16(data, 0) ? Buffer.from(data).subarray(0, data.length & ~1).swap16().toString('utf16le') : data.toString()
}

function withoutMark (text: string): string {
  return text.startsWith(BOM) ? text.slice(1) : text
}

/** Its first character is of ASCII, so one of its two bytes is 0; or the mark says so, its 0xFE in the same place. */
function isUtf16 (data: Buffer, at: 0 | 1): boolean {
  return data.length >= 2 && (data[at] === 0 || (data[at] === 0xfe && data[1 - at] === 0xff))
}
