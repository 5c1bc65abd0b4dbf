/** Where in a route's body stands what a person says, and how much of it is looked at. */
import type { PointerPattern } from '../json-pattern.js'

/** How much of a conversation is looked at: the newest message of the person, all of the person's, or everybody's. */
export type PromptScope = 'last' | 'history' | 'all'

/** A conversation that the body carries whole. */
export interface ConversationRule {
  /** Leads to the list of messages, the oldest first. */
  readonly list: PointerPattern
  /** Within a message: who says it. */
  readonly role: readonly string[]
  /** Roles of the person. */
  readonly users: ReadonlySet<string>
  /** Within a message: what is said, a text or a list of parts. */
  readonly texts: readonly PointerPattern[]
}

export interface PromptRule {
  /** What is always part of the newest message: a text, or a list of parts. */
  readonly texts: readonly PointerPattern[]
  readonly conversations: readonly ConversationRule[]
  /** What the newest message points at: quoted, replied to, forwarded. The scope `last` does not look at it. */
  readonly quotes: readonly PointerPattern[]
  /** Instructions and the like, which only the scope `all` looks at. */
  readonly rest: readonly PointerPattern[]
  /** Fields of a form (urlencoded or multipart) that belong to the newest message. */
  readonly fields: readonly string[]
}

/** What the person says, one text a message, the parts of a message in order. Never empty texts. */
export type PromptMessage = readonly string[]
export type Prompt = readonly PromptMessage[]
