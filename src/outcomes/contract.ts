/** A violation that only the backend's answer shows, as the compiled policy holds it. */
export interface OutcomeRule {
  readonly name: string
  readonly violation: string
  readonly score: number
  readonly observe: boolean
  /** All that is set must hold. */
  readonly when: OutcomeSign
}

/** By what an answer is known. At least one of the members says something. */
export interface OutcomeSign {
  /** Empty: any. */
  readonly status: readonly number[]
  /** Name of a server-sent event; undefined: the answer is read as one JSON document. */
  readonly event: string | undefined
  /** What stands where in the event's data, or in the document; undefined: nobody looks. */
  readonly value: { readonly pointer: readonly string[], readonly equals: string } | undefined
}
