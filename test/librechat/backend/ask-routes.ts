import { Router, type Request, type Response } from 'express'
import { once } from 'node:events'
import { requireUser, userOf } from './caller.js'
import { keepMessage, openTurn, type Turn } from './conversations.js'
import { finalFrame, send } from './jobs.js'
import type { World } from './world.js'
import { reply } from './reply.js'

const unknownModel = 'no-such-model'
const heldText = /^hold/

/** Answers that are being written on the request itself, by their conversation; an abort ends one. */
type Open = Map<string, AbortController>

/** Chat of the older generations and of assistants, at the app's base: the answer to the message is the stream. */
export function askRoutes (world: World): Router {
  const router = Router()
  const open: Open = new Map()
  const chats = world.generation === 'old'
    ? ['/ask/:endpoint', '/edit/:endpoint', '/bedrock/chat', '/assistants/:version/chat']
    : ['/assistants/:version/chat']
  for (const path of chats) {
    router.post(`${path}/abort`, requireUser, (request, response) => abort(open, request, response))
    router.post(path, requireUser, (request, response) => ask(world, open, { request, response }))
  }
  return router
}

interface Call { readonly request: Request, readonly response: Response }

async function ask (world: World, open: Open, { request, response }: Call): Promise<void> {
  const body = (request.body ?? {}) as Record<string, unknown>
  response.type('text/event-stream').flushHeaders()
  if (body['model'] === unknownModel) return refuse(response, 'Illegal model request')
  const endpoint = String(request.params['endpoint'] ?? 'assistants')
  const turn = openTurn(world, { user: userOf(response), endpoint, body })
  if (turn === undefined) return refuse(response, JSON.stringify({ type: 'convo_access' }))
  keepMessage(world, turn.request)
  send(response, 'message', { created: true, message: turn.request })
  const ended = new AbortController()
  open.set(turn.conversation.conversationId, ended)
  // These generations stop writing when their reader leaves.
  response.once('close', () => ended.abort())
  if (heldText.test(turn.request.text) && !ended.signal.aborted) await once(ended.signal, 'abort')
  finish(world, turn, { response, aborted: ended.signal.aborted })
  open.delete(turn.conversation.conversationId)
}

function refuse (response: Response, text: string): void {
  send(response, 'error', { text })
  response.end()
}

function finish (world: World, turn: Turn, { response, aborted }: { response: Response, aborted: boolean }): void {
  const text = `You said: ${turn.request.text}`
  const { messageId, parentMessageId, conversationId } = turn.answer
  // Each of these frames carries all the text so far.
  for (const part of aborted ? [] : ['You', text]) {
    send(response, 'message', { message: true, text: part, messageId, parentMessageId, conversationId })
  }
  const answer = { ...turn.answer, text: aborted ? '' : text, unfinished: aborted }
  keepMessage(world, answer)
  send(response, 'message', finalFrame({ ...turn, answer }))
  response.end()
}

function abort (open: Open, request: Request, response: Response): void {
  const { abortKey = '' } = (request.body ?? {}) as { abortKey?: string }
  const conversationId = abortKey.split(':')[0] ?? ''
  const found = open.get(conversationId)
  if (found === undefined) return reply(response, 204, { message: 'Request not found' })
  found.abort()
  response.json({ final: true, conversation: { conversationId } })
}
