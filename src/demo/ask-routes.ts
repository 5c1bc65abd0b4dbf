import type { FastifyInstance } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../clock.js'
import { callerOf, requireCaller } from './caller.js'
import { planAnswer } from './canned-answer.js'
import { foreignConversation } from './chat-routes.js'
import type { Conversations, Message } from './conversations.js'
import { openEventStream, type EventStream } from './event-stream.js'
import { createdFrame, finalFrame } from './frames.js'
import { TurnBody, openTurn, type Turn } from './turn.js'

const olderChatRoutes = [
  '/api/ask/:endpoint', '/api/edit/:endpoint', '/api/bedrock/chat', '/api/assistants/:version/chat',
]

export interface AskOptions {
  readonly conversations: Conversations
  readonly clock: Clock
  readonly tokenDelayMs: number
}

/** The older generations of chat: the answer is streamed on the request itself, and ends with its viewer. */
export function registerAskRoutes (app: FastifyInstance, { conversations, clock, tokenDelayMs }: AskOptions): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()
  const options = { onRequest: requireCaller, schema: { body: TurnBody } }

  for (const url of olderChatRoutes) {
    routes.post(url, options, async (request, reply) => {
      const { body } = request
      const turn = openTurn({ body, endpoint: 'demo', userId: callerOf(request).id, conversations, clock })
      if (turn === 'foreign') return foreignConversation(reply)
      conversations.append(turn.request)
      const left = new AbortController()
      const stream = openEventStream(reply)
      stream.onClose(() => left.abort())
      answer({ turn, stream, tokenDelayMs, signal: left.signal })
        .then((finished) => conversations.append(finished))
        .catch((error: unknown) => request.log.debug({ err: error }, 'the viewer left'))
      return reply
    })
  }
}

interface Answering {
  readonly turn: Turn
  readonly stream: EventStream
  readonly tokenDelayMs: number
  /** Rejects the answer when its viewer leaves. */
  readonly signal: AbortSignal
}

/** Gives the finished answer. Every frame carries all the text so far, as it was in those days. */
async function answer ({ turn, stream, tokenDelayMs, signal }: Answering): Promise<Message> {
  const { words, delayMs, fails } = planAnswer(turn.request.text, tokenDelayMs)
  const { messageId, parentMessageId, conversationId } = turn.answer
  stream.send('message', createdFrame({ ...turn, streamId: conversationId }))
  let text = ''
  for (const word of words) {
    await sleep(delayMs, undefined, { signal })
    text += word
    stream.send('message', { message: true, text, messageId, parentMessageId, conversationId })
  }
  const finished = { ...turn.answer, text, unfinished: false, error: fails }
  if (fails) stream.send('error', { ...finished, final: true, text: 'The answer broke off.' })
  else stream.send('message', finalFrame({ ...turn, answer: finished, streamId: conversationId }, false))
  stream.end()
  return finished
}
