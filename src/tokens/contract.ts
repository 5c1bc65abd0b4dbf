/** Where a backend's bodies say how much an answer may cost, and where its answers say what they did cost. */
import type { PointerPattern } from '../json-pattern.js'
import type { PromptRule } from '../prompt/contract.js'

/** A JSON pointer, taken apart. */
export type Pointer = readonly string[]

/** Where a request names its model: in its JSON, or as a parameter of its path. */
export type ModelPlace =
  | { readonly in: 'body', readonly pointer: Pointer }
  | { readonly in: 'path', readonly name: string }

/** Where usage stands, in a JSON answer as in the data of a stream's events. */
export interface UsagePlaces {
  /** Of the map with the numbers; several where they may stand in one or another. */
  readonly at: readonly Pointer[]
  /** In that map: numbers that make up the prompt's tokens, added up. */
  readonly input: readonly Pointer[]
  /** In that map: numbers that make up the answer's tokens, added up. */
  readonly output: readonly Pointer[]
}

/** The compiled `tokens` of one name: all that is known of a backend's API here comes from the policy. */
export interface TokenPlaces {
  readonly name: string
  /** Where the client's own cap on the answer may stand, `write` among them; of several that are there, the largest counts. */
  readonly caps: readonly Pointer[]
  /** The one place that every backend reads, where the client's or ours is written; undefined: there is none. */
  readonly write: Pointer | undefined
  /** How many answers are made, each as long as the cap; of several numbers, the largest counts. */
  readonly times: readonly Pointer[]
  /** Lists of prompts, each with an answer of its own; numbers in them are tokens already. */
  readonly prompts: readonly Pointer[]
  /** What is no prompt and yet read by the model, such as descriptions of tools: counted by its length. */
  readonly more: readonly Pointer[]
  /** Something true stands there when an answer is to come as a stream; undefined: nobody knows. */
  readonly stream: Pointer | undefined
  /** Where `true` makes a stream tell its usage; undefined: it does so anyhow, or cannot. */
  readonly includeUsage: Pointer | undefined
  /** Of several that are there, the first counts. */
  readonly models: readonly ModelPlace[]
  /** Where several speak, the one with the largest sum counts. */
  readonly usage: readonly UsagePlaces[]
  /** In events: the pieces of the answer itself, by which a stream is estimated that tells no usage. */
  readonly streamed: readonly PointerPattern[]
}

/** How one route is counted. */
export interface TokenRule {
  readonly places: TokenPlaces
  /** Undefined: the body is estimated by its length. */
  readonly prompt: PromptRule | undefined
}

/** More than any answer has; sums of such numbers are still exact. */
export const MOST_TOKENS = 1e12
