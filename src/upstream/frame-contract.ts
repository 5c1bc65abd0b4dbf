/** Between the one who carries a WebSocket's messages and the one who checks them. */

/** A data message of the client's: its fragments joined, its compression undone. */
export interface Message {
  readonly data: Buffer
  readonly binary: boolean
}

/** The end of a WebSocket as its peers read it. */
export interface Closing {
  /** As RFC 6455 §7.4 allows it in a close frame. */
  readonly code: number
  /** At most 123 bytes. */
  readonly reason: string
}

/** A message that the backend does not get. */
export interface Refused {
  /** Text frames that the client gets instead. */
  readonly replies: readonly string[]
  /** Then the connection ends, on both sides. */
  readonly close?: Closing
}

/** What the backend gets instead of a message: one of the same kind, text or binary. */
export interface Replaced {
  readonly replace: Buffer
}

export type FrameVerdict = Refused | Replaced | undefined

/**
 * Looks at each message before it is forwarded; undefined: nothing is against it. Asked for one message at a time; those
 * behind it wait. Should not throw: that ends the connection.
 */
export type FrameCheck = (message: Message) => FrameVerdict | Promise<FrameVerdict>

/** How the messages of one WebSocket are looked at. */
export interface Inspection {
  /** Of one message, decompressed; a larger one ends the connection with 1009. */
  readonly maxBytes: number
  /** Milliseconds from the first byte of a message to its last; a slower one ends the connection with 1008. */
  readonly deadlineMs?: number
  readonly check: FrameCheck
  /** Called once the backend has agreed to the WebSocket, with what ends it on both sides. */
  onOpen (end: (closing: Closing) => void): void
  /** Told of a check that threw. */
  onDefect (error: unknown): void
}
