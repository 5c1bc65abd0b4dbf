export interface Failure {
  readonly ok: false
  /** 0: no answer. */
  readonly status: number
  /** As the library's error says it. */
  readonly message: string
  readonly data: unknown
  readonly headers: Record<string, string>
}

export type Outcome<T> = { readonly ok: true, readonly value: T } | Failure

export interface Told { readonly event: string, readonly data: Record<string, unknown> }

/** What came on an answer's stream. */
export interface Watched {
  readonly events: readonly Told[]
  /** Status of the stream where it failed; undefined: it did not. */
  readonly status: number | undefined
  readonly isOver: boolean
}

export interface Draft {
  readonly text: string
  readonly conversationId?: string | null
  readonly parentMessageId?: string
  readonly messageId?: string
  readonly clientRequestId?: string
  readonly endpoint?: string
  readonly model?: string
}

export interface FormField {
  readonly name: string
  readonly value: string
  readonly filename?: string
  readonly type?: string
}

export interface Shown {
  /** What the app looks its sentence up by. */
  readonly type: string
  /** The library knows this type. */
  readonly isKnown: boolean
  readonly json: Record<string, unknown>
}
