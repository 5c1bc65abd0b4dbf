import type { FaultCode } from '../errors.js'
import { readStrictJson, readStrictJsonInTurns, type JsonReading } from '../prompt/strict-json.js'
import type { Message } from '../upstream/frame-contract.js'

const BOM = '\ufeff'
const BLANK = new Set([' ', '\t', '\n', '\r'])

/** Longer messages take turns with others. */
const LONG_TEXT = 64 * 1024

export type MessageReading =
  | { readonly json: unknown, readonly fault?: undefined }
  | { readonly fault: FaultCode }

/** Binary, and nothing that a backend could read as JSON. */
const NO_JSON: MessageReading = { json: undefined }

/**
 * A WebSocket message as JSON that reads the same to everybody. A text message is meant to be JSON; a binary one is
 * looked at where a backend could read it as JSON.
 */
export function readMessage ({ data, binary }: Message): MessageReading | Promise<MessageReading> {
  const text = binary ? textOf(data) : data.toString()
  if (binary && !isBracketed(text)) return NO_JSON
  const conclude = (reading: JsonReading): MessageReading => {
    if (reading.fault === undefined) return { json: reading.value }
    return binary && reading.fault === 'INVALID_JSON' ? NO_JSON : reading
  }
  return text.length <= LONG_TEXT ? conclude(readStrictJson(text)) : readStrictJsonInTurns(text).then(conclude)
}

/** UTF-8, or UTF-16 in either order of bytes, as parsers of bytes guess it; without the mark in front. */
function textOf (data: Buffer): string {
  const text = isUtf16(data, 1)
    ? data.toString('utf16le')
    : isUtf16(data, 0) ? Buffer.from(data).subarray(0, data.length & ~1).swap16().toString('utf16le') : data.toString()
  return text.startsWith(BOM) ? text.slice(1) : text
}

/** Its first character is of ASCII, so one of its two bytes is 0; or the mark says so, its 0xFE in the same place. */
function isUtf16 (data: Buffer, at: 0 | 1): boolean {
  return data.length >= 2 && (data[at] === 0 || (data[at] === 0xfe && data[1 - at] === 0xff))
}

/** Of other bytes it would be chance: they are not taken apart, however many brackets they hold. */
function isBracketed (text: string): boolean {
  let start = 0
  let end = text.length - 1
  while (BLANK.has(text[start] ?? '')) start++
  while (end > start && BLANK.has(text[end] ?? '')) end--
  const pair = (text[start] ?? '') + (text[end] ?? '')
  return pair === '{}' || pair === '[]'
}
