import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { AnswerObserver } from '../exchange.js'
import type { Inspection } from './frame-contract.js'

/** What is sent to the backend instead of the client's own hop-by-hop and forwarding headers. */
export interface Outbound {
  readonly method: string
  /** Origin-form target in the client's own spelling. */
  readonly target: string
  /** Name, value, …: end-to-end headers with truthful forwarding headers and Host, ready to send. */
  readonly headers: string[]
  /** The whole body when it was read for inspection; undefined: stream it from `request`. */
  readonly body: Buffer | undefined
}

/** Headers of ours for the answer: request id, rate headers. They replace the backend's of the same name. */
export type OwnHeaders = readonly (readonly [name: string, value: string])[]

/** Why the backend gave no answer: codes of the catalogue. */
export type UpstreamFault = 'UPSTREAM_UNREACHABLE' | 'UPSTREAM_TIMEOUT' | 'UPSTREAM_BROKEN'

export interface ForwardOptions {
  readonly outbound: Outbound
  readonly ownHeaders: OwnHeaders
  readonly observers: readonly AnswerObserver[]
  /** Answers in the route's dialect. Called at most once, only while no byte of an answer has been sent. */
  onFault (fault: UpstreamFault, error: Error): void
  /** Of an upgrade: each message of the client's is looked at. Undefined: the WebSocket passes as bytes. */
  readonly inspection?: Inspection | undefined
}

/**
 * Carries an admitted request to the backend and its answer back, both ways unbuffered with back-pressure.
 * The client's leaving at any moment cancels the backend's request; nothing of ours times a living stream out.
 */
export interface Forwarder {
  /** Hands over; the raw response is the forwarder's from here on. */
  forward (request: IncomingMessage, response: ServerResponse, options: ForwardOptions): void
  /** Dials the backend first, passes its 101 or its refusal on, then joins both sockets. */
  upgrade (request: IncomingMessage, socket: Duplex, head: Buffer, options: ForwardOptions): void
  /** A GET of our own with these headers; undefined when there is no usable JSON answer within a second. */
  ask (path: string, headers: string[]): Promise<{ readonly status: number, readonly body: unknown } | undefined>
  /** Ends idle connections to the backend; those in use end with their request. */
  close (): Promise<void>
}
