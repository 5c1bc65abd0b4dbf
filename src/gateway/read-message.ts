import type { FaultCode } from '../errors.js'
import { beginsLikeJson, readStrictJson, readStrictJsonInTurns, type JsonReading } from '../prompt/prompt.js'
import type { Message } from '../upstream/frame-contract.js'
import { messageText } from './body-text.js'

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
  const written = messageText(message)
  const text = binary ? withoutMark(written) : written
  const conclude = (reading: JsonReading): MessageReading =>
    reading.fault === undefined ? { json: reading.value } : reading
  return text.length <= LONG_TEXT ? conclude(readStrictJson(text)) : readStrictJsonInTurns(text).then(conclude)
}

function withoutMark (text: string): string {
  return text.startsWith(BOM) ? text.slice(1) : text
}
