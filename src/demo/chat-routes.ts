import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { Clock } from '../clock.js'
import { callerOf, requireCaller } from './caller.js'
import type { Conversations } from './conversations.js'
import { openEventStream } from './event-stream.js'
import { resumeState } from './frames.js'
import type { Generation, Generations } from './generations.js'
import { TurnBody, openTurn } from './turn.js'

const OptionalKey = Type.Optional(Type.Union([Type.String({ maxLength: 256 }), Type.Null()]))
const AbortBody = Type.Object({ streamId: OptionalKey, conversationId: OptionalKey, abortKey: OptionalKey })

export interface ChatOptions {
  readonly conversations: Conversations
  readonly generations: Generations
  readonly clock: Clock
}

/** The newest generation of chat: a message is answered at once with a stream's id, and streamed elsewhere. */
export function registerChatRoutes (app: FastifyInstance, options: ChatOptions): void {
  registerSend(app, options)
  registerWatch(app, options.generations)
  registerAbort(app, options.generations)
}

function registerSend (app: FastifyInstance, { conversations, generations, clock }: ChatOptions): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()
  const schema = { body: TurnBody, params: Type.Object({ endpoint: Type.Optional(Type.String()) }) }

  routes.post('/api/agents/chat/:endpoint?', { onRequest: requireCaller, schema }, async (request, reply) => {
    const { body, params: { endpoint = 'demo' } } = request
    const userId = callerOf(request).id
    const { clientRequestId } = body
    const same = clientRequestId === undefined ? undefined : generations.findByRequest(userId, clientRequestId)
    if (same !== undefined) return started(same)
    const replaced = generations.find(body.conversationId ?? '')
    if (replaced !== undefined && isForeign(replaced, request)) return foreignConversation(reply)
    const turn = openTurn({ body, endpoint, userId, conversations, clock })
    if (turn === 'foreign') return foreignConversation(reply)
    const generation = generations.start({ ...turn, clientRequestId })
    return generation === undefined ? overloaded(reply) : started(generation)
  })
}

function registerWatch (app: FastifyInstance, generations: Generations): void {
  const guarded = { onRequest: requireCaller }

  const stream = { ...guarded, exposeHeadRoute: false }
  app.get<{ Params: { streamId: string }, Querystring: { resume?: string } }>(
    '/api/agents/chat/stream/:streamId', stream, async (request, reply) => {
      const generation = generations.find(request.params.streamId)
      if (generation === undefined) return streamNotFound(reply)
      if (isForeign(generation, request)) return reply.code(403).send({ error: 'Unauthorized' })
      const viewer = openEventStream(reply)
      viewer.onClose(generations.watch(generation, viewer, request.query.resume === 'true'))
      return reply
    })

  app.get<{ Params: { conversationId: string } }>(
    '/api/agents/chat/status/:conversationId', guarded, async (request, reply) => {
      const generation = generations.find(request.params.conversationId)
      if (generation === undefined) return { active: false }
      if (isForeign(generation, request)) return reply.code(403).send({ error: 'Unauthorized' })
      const { streamId, answer, createdAt } = generation
      const aggregatedContent = [{ type: 'text', text: answer.text }]
      const state = resumeState(generation)
      return { active: true, streamId, status: 'running', aggregatedContent, createdAt, resumeState: state }
    })

  app.get('/api/agents/chat/active', guarded, async (request) => {
    return { activeJobIds: generations.runningOf(callerOf(request).id).map(({ streamId }) => streamId) }
  })
}

function registerAbort (app: FastifyInstance, generations: Generations): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()
  const options = { onRequest: requireCaller, schema: { body: AbortBody } }

  routes.post('/api/agents/chat/abort', options, async (request, reply) => {
    const { streamId, conversationId, abortKey } = request.body
    const wanted = streamId ?? conversationId ?? abortKey?.split(':')[0] ?? ''
    // As LibreChat does it: an id that is not running stands for the caller's newest answer.
    const generation = generations.find(wanted) ?? generations.runningOf(callerOf(request).id)[0]
    if (generation === undefined) return reply.code(404).send({ error: 'Job not found', streamId: wanted })
    if (isForeign(generation, request)) return reply.code(403).send({ error: 'Unauthorized' })
    generations.abort(generation)
    return { success: true, aborted: generation.streamId }
  })
}

function started ({ streamId }: Generation) {
  return { streamId, conversationId: streamId, status: 'started' }
}

function isForeign (generation: Generation, request: FastifyRequest): boolean {
  return generation.userId !== callerOf(request).id
}

function streamNotFound (reply: FastifyReply): FastifyReply {
  return reply.code(404).send({
    error: 'Stream not found',
    message: 'The generation job does not exist or has expired.',
  })
}

export function foreignConversation (reply: FastifyReply): FastifyReply {
  return reply.code(403).send({ error: 'User not authorized for this conversation' })
}

function overloaded (reply: FastifyReply): FastifyReply {
  return reply.code(503).send({ message: 'Too many answers are being written. Please try again shortly.' })
}
