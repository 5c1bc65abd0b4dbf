/** What is changed in a JSON body before the backend gets it. */
import type { JsonValue } from '../json-value.js'

/**
 * One change at one place. The place is a JSON pointer taken apart, without patterns (`['messages', '3', 'content']`).
 * What stands there is replaced; a member that is not there is added at the end of its map, and maps that lead to it are
 * made; where a list or a plain value stands in the way, or the element of a list is not there, nothing happens. Edits
 * are made in order, so that of two for one place the later holds; elements of lists keep the numbers that they came with.
 */
export interface Edit {
  readonly pointer: readonly string[]
  /** Undefined: the member, or the element of a list, is taken out, where it is there. */
  readonly value: JsonValue | undefined
}

/** What the backend gets that the client did not send. */
export interface BodyChange {
  /** Made in the JSON body, in order. */
  readonly edits: Edit[]
  /** Beside the client's fields, names in lower case. */
  readonly headers: [name: string, value: string][]
}
