/** The body as the backend gets it, where somebody wants it changed. */
import { isUtf8 } from 'node:buffer'
import { chain } from '../chain.js'
import type { FaultCode } from '../errors.js'
import type { Exchange } from '../exchange.js'
import { decodeText, isUtf8Charset, parseContentType, withUtf8Charset } from '../prompt/prompt.js'
import { applyEditsInTurns, canEdit } from '../rewriting/rewriting.js'
import { codingsOf, decodeWholeAside } from '../tap/content-coding.js'
import { Turns } from '../turns.js'
import type { Message, Replaced } from '../upstream/frame-contract.js'
import { writtenIn } from './read-message.js'

const UNDECODED = { 'too-large': 'BODY_TOO_LARGE', damaged: 'MALFORMED_REQUEST' } as const
/** Bytes that are turned into text, or back, within the turn of whoever waits for them. */
const SHORT_BODY = 64 * 1024

const turns = new Turns()

export interface EditedBody {
  /** Plain, in UTF-8. */
  readonly bytes: Buffer
  /** The content type, where the client's is not true of them any more. */
  readonly type: string | undefined
}

type Edited = EditedBody | FaultCode

/** Nothing is changed in observe mode, nor in what is no JSON. */
export function wantsEdits (exchange: Exchange): boolean {
  return exchange.edits.length > 0 && exchange.plan.mode === 'enforce' && canEdit(exchange)
}

/**
 * Makes the edits in the body, which stays with the exchange as it came. A fault: it cannot be edited faithfully, and
 * without its edits it must not be forwarded. Only bodies that no check has read strictly come to that.
 */
export function editBody (exchange: Exchange): Edited | Promise<Edited> {
  return chain(plainBody(exchange), (body) => typeof body === 'string' ? body : editPlain(exchange, body))
}

function plainBody ({ body, headers, plan }: Exchange): Buffer | FaultCode | Promise<Buffer | FaultCode> {
  const applied = codingsOf(headers['content-encoding'])
  if (applied === undefined) return 'UNSUPPORTED_ENCODING'
  if (body === undefined) return 'INTERNAL'
  if (applied.length === 0) return body
  // Undone once more rather than kept: few bodies are edited, and all would have to be held twice.
  return decodeWholeAside(body, applied, plan.bodyLimit).then((plain) => typeof plain === 'string' ? UNDECODED[plain] : plain)
}

function editPlain ({ headers, edits }: Exchange, body: Buffer): Edited | Promise<Edited> {
  const header = headers['content-type']
  const type = parseContentType(header)
  if (type === undefined) return 'MALFORMED_REQUEST'
  return chain(inItsTurn(body.length, () => textOf(body, type.charset)), ({ text, fault }) => {
    if (fault !== undefined) return fault
    return chain(applyEditsInTurns(text, edits), (edited) => inItsTurn(edited.length, () => ({
      bytes: Buffer.from(edited),
      type: header === undefined || isUtf8Charset(type.charset) ? undefined : withUtf8Charset(header),
    })))
  })
}

interface Decoded {
  readonly text: string
  readonly fault?: FaultCode | undefined
}

/** A byte order mark in front of UTF-8 stays. */
function textOf (bytes: Buffer, charset: string | undefined): Decoded {
  if (!isUtf8Charset(charset)) return { text: '', ...decodeText(bytes, charset) }
  return isUtf8(bytes) ? { text: bytes.toString() } : { text: '', fault: 'INVALID_JSON' }
}

/** The same for a message of a WebSocket, whose header fields nobody gets; undefined: it goes on as it came. */
export function editMessage (exchange: Exchange, message: Message): Replaced | undefined | Promise<Replaced> {
  if (!wantsEdits(exchange)) return undefined
  return chain(inItsTurn(message.data.length, () => writtenIn(message)), (text) =>
    chain(applyEditsInTurns(text, exchange.edits), (edited) =>
      inItsTurn(edited.length, () => ({ replace: Buffer.from(edited) }))))
}

function inItsTurn<T> (size: number, work: () => T): T | Promise<T> {
  if (size <= SHORT_BODY) return work()
  return turns.finish({ next: () => ({ done: true, value: work() }) })
}
