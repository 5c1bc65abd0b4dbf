import type { Conversation, Message } from './conversations.js'

/** What the frames of an answer tell of it. */
export interface Framed {
  readonly streamId: string
  readonly conversation: Conversation
  readonly request: Message
  readonly answer: Message
}

/** What a viewer who comes back needs to go on. */
export function resumeState ({ answer, request, conversation }: Framed): object {
  return {
    runSteps: [],
    aggregatedContent: [{ type: 'text', text: answer.text }],
    userMessage: request,
    responseMessageId: answer.messageId,
    conversationId: conversation.conversationId,
    sender: answer.sender,
  }
}

export function createdFrame ({ request, streamId }: Framed): object {
  return { created: true, message: request, streamId }
}

export function deltaFrame ({ answer }: Framed, text: string): object {
  return { event: 'on_message_delta', data: { id: answer.messageId, delta: { content: [{ type: 'text', text }] } } }
}

export function finalFrame ({ conversation, request, answer }: Framed, aborted: boolean): object {
  return {
    final: true,
    conversation,
    title: conversation.title,
    requestMessage: request,
    responseMessage: answer,
    ...(aborted ? { aborted } : {}),
  }
}
