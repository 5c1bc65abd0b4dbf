import { randomUUID } from 'node:crypto'
import { noParent, type Conversation, type Message, type World } from './world.js'

export interface NewTurn {
  readonly user: string
  readonly endpoint: string
  /** The body of the message's request, as the client sent it. */
  readonly body: Record<string, unknown>
}

export interface Turn { readonly conversation: Conversation, readonly request: Message, readonly answer: Message }

/** A message and the empty answer that will grow; undefined: the conversation is somebody else's. */
export function openTurn (world: World, { user, endpoint, body }: NewTurn): Turn | undefined {
  const text = String(body['text'] ?? '')
  const wanted = body['conversationId']
  const id = typeof wanted === 'string' && wanted !== 'new' ? wanted : randomUUID()
  const known = world.conversations.get(id)
  if (known !== undefined && known.user !== user) return undefined
  const conversation = known ?? addConversation(world, { conversationId: id, user, endpoint, title: text })
  const request = messageOf(id, {
    text, sender: 'User', isCreatedByUser: true,
    messageId: String(body['messageId'] ?? randomUUID()), parentMessageId: String(body['parentMessageId'] ?? noParent),
  })
  const answer = messageOf(id, { sender: 'GPT', unfinished: true, parentMessageId: request.messageId })
  return { conversation, request, answer }
}

export function messageOf (conversationId: string, known: Partial<Message>): Message {
  return {
    messageId: randomUUID(),
    conversationId,
    parentMessageId: noParent,
    sender: 'User',
    text: '',
    isCreatedByUser: false,
    unfinished: false,
    error: false,
    createdAt: new Date().toISOString(),
    ...known,
  }
}

export function keepMessage ({ messages }: World, message: Message): void {
  const list = messages.get(message.conversationId)
  if (list === undefined) messages.set(message.conversationId, [message])
  else list.push(message)
}

/** A copy of a conversation, for whoever asks for it. */
export function copyConversation (world: World, source: Conversation, user: string) {
  const conversation = addConversation(world, { ...source, conversationId: randomUUID(), user })
  const { conversationId } = conversation
  for (const message of world.messages.get(source.conversationId) ?? []) {
    keepMessage(world, { ...message, conversationId })
  }
  return { conversation, messages: world.messages.get(conversationId) ?? [] }
}

export type NewConversation = Pick<Conversation, 'conversationId' | 'user' | 'endpoint' | 'title'>

export function addConversation (world: World, wanted: NewConversation): Conversation {
  const at = new Date().toISOString()
  const conversation = { ...wanted, createdAt: at, updatedAt: at, isArchived: false }
  world.conversations.set(conversation.conversationId, conversation)
  return conversation
}
