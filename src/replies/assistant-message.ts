import type { ReplyContext } from './contract.js'

/** A refusal as an assistant's message: what it says, and to which request. */
export interface AssistantMessage {
  readonly text: string
  /** As the request names it. */
  readonly model: string
  /** Of the request. */
  readonly body: Readonly<Record<string, unknown>>
  readonly context: ReplyContext
}
