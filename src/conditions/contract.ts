/** What is asked of a body, or of a frame, before anything is counted. Plain data: identity sources are compared by it. */
import type { PointerPattern } from '../json-pattern.js'

/** One thing that holds or does not. */
export type BodyTest =
  /** One of the values, as texts, stands there. */
  | { readonly kind: 'in', readonly at: PointerPattern, readonly values: readonly string[] }
  /** Something other than null stands there, or nothing does. */
  | { readonly kind: 'exists', readonly at: PointerPattern, readonly exists: boolean }
  /** A name stands there: lower case and without `@` here, in any case and with or without it there. */
  | { readonly kind: 'name', readonly at: PointerPattern, readonly name: string }
  | MentionTest

/**
 * An entity of the text means this name (as above). Entities are maps with `type`, and `offset` and `length` in UTF-16
 * units. Without a name, anybody.
 */
export interface MentionTest {
  readonly kind: 'mention'
  readonly text: PointerPattern
  readonly entities: PointerPattern
  readonly name: string | undefined
  /** How each type of entity says who is meant; others mean nobody. */
  readonly kinds: readonly (readonly [type: string, kind: EntityKind])[]
}

/** The marked text is `@name`; it is a command, `/start@name` for one or `/start` for all; or the name stands in the entity. */
export type EntityKind = 'name' | 'command' | PointerPattern

/** All of its tests hold. */
export type Condition = readonly BodyTest[]

/** Any of them holds. */
export type Conditions = readonly Condition[]

/** Whether conditions hold for a body. Never throws; takes time linear in what it looks at. */
export type Holds = (body: unknown) => boolean

/** What a test does where a body spells a name of the pointer in another case, so that backends may read it differently. */
export type Doubt = 'holds' | 'fails'
