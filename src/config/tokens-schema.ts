/** The policy file's part on tokens: where bodies say what an answer may cost, and answers what they did cost. */
import Type, { type Static } from 'typebox'
import { OneOrMany, Strict } from './choices.js'
import { Count, List, Switch, Text } from './kinds.js'

const UsagePart = Type.Object({
  at: Type.Optional(List({ description: 'JSON pointers to the map with the numbers; without them, the whole document' })),
  input: Type.Optional(List({ description: 'JSON pointers in it, added up: tokens of the prompt' })),
  output: Type.Optional(List({ description: 'JSON pointers in it, added up: tokens of the answer' })),
}, Strict)

/** What is known of one API, by the name that routes call it. */
export const TokensEntry = Type.Object({
  max: Type.Optional(List({ description: 'JSON pointers to the client\'s own cap; of several, the largest counts' })),
  write: Type.Optional(Text({ description: 'JSON pointer to where the policy\'s cap is written when there is none' })),
  times: Type.Optional(List({ description: 'JSON pointers to how many answers are made; of several, the largest counts' })),
  prompts: Type.Optional(List({ description: 'JSON pointers to lists of prompts that have an answer each' })),
  more: Type.Optional(List({ description: 'JSON pointers to what the model reads beside the prompt, such as tools' })),
  stream: Type.Optional(Text({ description: 'JSON pointer to what is true when a stream is asked for' })),
  includeUsage: Type.Optional(Text({ description: 'JSON pointer to where true makes a stream tell its usage' })),
  model: Type.Optional(List({ description: 'JSON pointers to the model, or path:NAME; the first that is there counts' })),
  usage: Type.Optional(OneOrMany(UsagePart)),
  streamed: Type.Optional(List({ description: 'JSON pointers in events: pieces of the answer; * = every element' })),
}, Strict)

/** Of a limiter. */
export const Unit = ['requests', 'tokens'] as const
export const ReservePart = Type.Object({
  maxTokens: Type.Optional(Count({ minimum: 1, description: 'For an answer whose request has no cap of its own; written into it' })),
  includeUsage: Type.Optional(Switch({ description: 'Streams are asked to tell their usage; false: as the client asked' })),
}, Strict)

export type TokensDocument = Static<typeof TokensEntry>
