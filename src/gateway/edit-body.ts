/** The body as the backend gets it, where somebody wants it changed. */
import { chain } from '../chain.js'
import type { FaultCode } from '../errors.js'
import type { Exchange } from '../exchange.js'
import { decodeText, isUtf8Charset, parseContentType, withUtf8Charset } from '../prompt/prompt.js'
import { applyEditsInTurns, canEdit, editsOf } from '../rewriting/rewriting.js'
import { turns } from '../turns.js'
import type { Message, Replaced } from '../upstream/frame-contract.js'
import { messageText, plainBody } from './body-text.js'

/** Bytes that are turned into text, or back, within the turn of whoever waits for them. */
const SHORT_BODY = 64 * 1024

export interface EditedBody {
  /** Plain, in UTF-8. */
  readonly bytes: Buffer
  /** The content type, where the client's is not true of them any more. */
  readonly type: string | undefined
}

type Edited = EditedBody | FaultCode

/** Nothing is changed in observe mode, nor in what is no JSON. */
export function wantsEdits (exchange: Exchange): boolean {
  return editsOf(exchange).length > 0 && exchange.plan.mode === 'enforce' && canEdit(exchange)
}

/**
 * Makes the edits in the body, which stays with the exchange as it came. A fault: it cannot be edited faithfully, and
 * without its edits it must not be forwarded. Only bodies that no check has read strictly come to that.
 */
export function editBody (exchange: Exchange): Edited | Promise<Edited> {
  // Its coding is undone once more: few bodies are edited, and all would have to be held twice.
  return chain(plainBody(exchange), (body) => typeof body === 'string' ? body : editPlain(exchange, body))
}

function editPlain (exchange: Exchange, body: Buffer): Edited | Promise<Edited> {
  const header = exchange.headers['content-type']
  const type = parseContentType(header)
  if (type === undefined) return 'MALFORMED_REQUEST'
  const decoded = inItsTurn(body.length, () => decodeText(body, type.charset, { keepMark: true }))
  return chain(decoded, (reading) => reading.fault ??
    chain(applyEditsInTurns(reading.text, editsOf(exchange)), (edited) => inItsTurn(edited.length, () => ({
      bytes: Buffer.from(edited),
      type: header === undefined || isUtf8Charset(type.charset) ? undefined : withUtf8Charset(header),
    }))))
}

/** The same for a message of a WebSocket, whose header fields nobody gets; undefined: it goes on as it came. */
export function editMessage (exchange: Exchange, message: Message): Replaced | undefined | Promise<Replaced> {
  if (!wantsEdits(exchange)) return undefined
  return chain(inItsTurn(message.data.length, () => messageText(message)), (text) =>
    chain(applyEditsInTurns(text, editsOf(exchange)), (edited) =>
      inItsTurn(edited.length, () => ({ replace: Buffer.from(edited) }))))
}

function inItsTurn<T> (size: number, work: () => T): T | Promise<T> {
  return size <= SHORT_BODY ? work() : turns.run(work)
}
