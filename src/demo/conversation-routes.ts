import type { FastifyInstance, FastifyReply } from 'fastify'
import { callerOf, requireCaller } from './caller.js'
import type { Conversation, Conversations } from './conversations.js'

/** What was said earlier, to its owner only. */
export function registerConversationRoutes (app: FastifyInstance, conversations: Conversations): void {
  const guarded = { onRequest: requireCaller }

  app.get('/api/convos', guarded, async (request) => {
    return { conversations: conversations.listOf(callerOf(request).id), nextCursor: null }
  })

  // Somebody else's looks like none: ids cannot be probed.
  app.get<{ Params: { id: string } }>('/api/convos/:id', guarded, async (request, reply) => {
    return ownConversation(conversations, callerOf(request).id, request.params.id) ?? notFound(reply)
  })

  app.get<{ Params: { conversationId: string } }>('/api/messages/:conversationId', guarded, async (request, reply) => {
    const { conversationId } = request.params
    if (ownConversation(conversations, callerOf(request).id, conversationId) === undefined) return notFound(reply)
    return conversations.messagesOf(conversationId)
  })
}

function ownConversation (conversations: Conversations, userId: string, id: string): Conversation | undefined {
  const found = conversations.find(id)
  return found?.user === userId ? found : undefined
}

function notFound (reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ error: 'Conversation not found' })
}
