import type { IncomingHttpHeaders } from 'node:http'
import type { Verdict } from '../verdict/verdict.js'

/** What a dialect needs to know of the request beside the verdict. */
export interface ReplyContext {
  readonly requestId: string
  /** Epoch milliseconds. */
  readonly now: number
  /** Path of the request's target as sent, never decoded. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** A WebSocket handshake: its client understands no answer but a status. */
  readonly upgrade: boolean
  /** The request's (or the frame's) own JSON as far as it was read; undefined when it was not. */
  readonly body: Readonly<Record<string, unknown>> | undefined
  /** A fresh UUID, for ids that the request did not bring. */
  newId (): string
}

/** An answer of our own, before the headers that all of them carry are added. */
export interface Reply {
  readonly status: number
  /** Lower-case names. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** The shape in which a backend's users read a refusal. Pure. */
export interface Dialect {
  /**
   * True when this answer depends on the request's body (ids that it echoes, a stream that it asks for): up to 64 KiB
   * of it are read within a second, unless a check had read it already.
   */
  readsBody (verdict: Verdict): boolean
  /** Set-Cookie that ends the backend's session on the answer to a banned user himself. */
  readonly expiredCookie?: string
  render (verdict: Verdict, context: ReplyContext): Reply
  /** Text frames that answer a refused frame of a WebSocket; absent: the backend has no form of its own for it. */
  renderFrames? (verdict: Verdict, context: ReplyContext): readonly string[]
}
