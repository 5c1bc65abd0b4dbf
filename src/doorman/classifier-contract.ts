/** Whoever is asked what sort of message it is: one call at a time. */

/** The two messages that the classifier gets, and the labels that its answer may have. */
export interface ClassifierQuestion {
  readonly instructions: string
  readonly data: string
  readonly labels: readonly string[]
}

export type ClassifierFault =
  | 'unreachable' | 'cut' | 'server' | 'overloaded' | 'refused'
  /** It does not take this message: it is too long, or filtered. */
  | 'declined'

/** One call. Never rejects: what is aborted is a fault like any other. */
export type AskClassifier = (question: ClassifierQuestion, signal: AbortSignal) => Promise<ClassifierAnswer>

export type ClassifierAnswer =
  /** It answered, whatever that is. `text` is undefined where that is no whole message of an assistant. */
  | { readonly kind: 'answer', readonly text: string | undefined, readonly tokens: number | undefined }
  | {
    readonly kind: 'fault'
    readonly fault: ClassifierFault
    /** Worth asking again. */
    readonly isPassing: boolean
    /** The same question in another manner, which this server may take; a call of its own. */
    readonly otherwise?: AskClassifier
    /** As long as the server wants to be left alone, milliseconds. */
    readonly retryAfterMs: number | undefined
  }

/** Speaks to one endpoint. */
export interface Classifier {
  readonly ask: AskClassifier
  /** Never rejects. */
  close (): Promise<void>
}
