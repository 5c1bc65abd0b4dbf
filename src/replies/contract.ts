import type { Verdict } from '../verdict/verdict.js'

/** What a dialect needs to know of the request beside the verdict. */
export interface ReplyContext {
  readonly requestId: string
  /** Epoch milliseconds. */
  readonly now: number
  /** The request's own JSON body as far as it was read for its ids; undefined when it was not. */
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
  /** True when ids of the request's body are echoed: up to 64 KiB of it are read within a second. */
  readonly echoesIds: boolean
  /** Set-Cookie that ends the backend's session on the answer to a banned user himself. */
  readonly expiredCookie?: string
  render (verdict: Verdict, context: ReplyContext): Reply
}
