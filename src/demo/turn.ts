import { randomUUID } from 'node:crypto'
import Type, { type Static } from 'typebox'
import type { Clock } from '../clock.js'
import { cutText, type Conversation, type Conversations, type Message } from './conversations.js'

const maxTextCharacters = 32 * 1024
const noParent = '00000000-0000-0000-0000-000000000000'
const newConversation = 'new'
const Id = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' })
const OptionalId = Type.Optional(Type.Union([Id, Type.Null()]))

/** The body of a chat request, as far as the demo reads it. */
export const TurnBody = Type.Object({
  text: Type.String({ minLength: 1 }),
  conversationId: OptionalId,
  parentMessageId: OptionalId,
  messageId: OptionalId,
  clientRequestId: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9:_-]{1,128}$' })),
})

export interface Turn { readonly conversation: Conversation, readonly request: Message, readonly answer: Message }

export interface TurnOptions {
  readonly body: Static<typeof TurnBody>
  readonly endpoint: string
  readonly userId: string
  readonly conversations: Conversations
  readonly clock: Clock
}

/** A message with the empty answer that will grow, or `foreign`: the conversation is somebody else's. */
export function openTurn ({ body, endpoint, userId, conversations, clock }: TurnOptions): Turn | 'foreign' {
  const wantedId = body.conversationId ?? newConversation
  const conversationId = wantedId === newConversation ? undefined : wantedId
  const text = cutText(body.text, maxTextCharacters)
  const known = conversationId === undefined ? undefined : conversations.find(conversationId)
  if (known !== undefined && known.user !== userId) return 'foreign'
  const conversation = known ?? conversations.start({ userId, conversationId, endpoint, title: text })
  const shared = {
    conversationId: conversation.conversationId, error: false, createdAt: new Date(clock()).toISOString(),
  }
  const messageId = body.messageId ?? randomUUID()
  return {
    conversation,
    request: {
      ...shared,
      messageId,
      parentMessageId: body.parentMessageId ?? noParent,
      sender: 'User',
      text,
      isCreatedByUser: true,
      unfinished: false,
    },
    answer: {
      ...shared,
      messageId: randomUUID(),
      parentMessageId: messageId,
      sender: 'Demo',
      text: '',
      isCreatedByUser: false,
      unfinished: true,
    },
  }
}
