/** What is asked of a body, or of a frame, before anything is counted. Plain data: identity sources are compared by it. */
import type { PointerPattern } from '../prompt/contract.js'

/** One thing that holds or does not. Names in pointers are found in any case, as some backends read them. */
export type BodyTest =
  /** One of the values, as texts, stands there. */
  | { readonly kind: 'in', readonly at: PointerPattern, readonly values: readonly string[] }
  /** Something other than null stands there, or nothing does. */
  | { readonly kind: 'exists', readonly at: PointerPattern, readonly exists: boolean }
  /** A name stands there: lower case and without `@` here, in any case and with or without it there. */
  | { readonly kind: 'name', readonly at: PointerPattern, readonly name: string }
  | MentionTest

/**
 * An entity of the text means this name (as above): `@name`, a user of that name, or a command for it or for everybody.
 * Without a name, anybody.
 */
export interface MentionTest {
  readonly kind: 'mention'
  readonly text: PointerPattern
  readonly entities: PointerPattern
  readonly name: string | undefined
}

/** All of its tests hold. */
export type Condition = readonly BodyTest[]

/** Any of them holds. */
export type Conditions = readonly Condition[]

/** Whether conditions hold for a body. Never throws; takes time linear in what it looks at. */
export type Holds = (body: unknown) => boolean
