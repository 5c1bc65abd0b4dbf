import { Router, type Response } from 'express'
import { randomUUID } from 'node:crypto'
import { requireUser, userOf } from './caller.js'
import { addConversation, copyConversation, keepMessage, messageOf } from './conversations.js'
import { readForm } from './form.js'
import type { Conversation, World } from './world.js'
import { reply } from './reply.js'

/** A person's conversations, at `…/convos`. */
export function conversationRoutes (world: World): Router {
  const router = Router()
  router.use(requireUser)
  router.get('/', (_request, response) => {
    const own = [...world.conversations.values()].filter(({ user }) => user === userOf(response)).reverse()
    response.json({ conversations: own, nextCursor: null })
  })
  router.get('/:conversationId', ({ params }, response) => {
    const conversation = ownOne(world, response, params.conversationId)
    if (conversation === undefined) response.status(404).end()
    else response.json(conversation)
  })
  router.post('/import', async (request, response) => {
    const file = (await readForm(request)).get('file')
    const { title = '', messages = [] } = await jsonOf(file) as { title?: string, messages?: Array<{ text: string }> }
    const made = { conversationId: randomUUID(), user: userOf(response), endpoint: 'openAI', title }
    const { conversationId } = addConversation(world, made)
    for (const { text } of messages) keepMessage(world, messageOf(conversationId, { text }))
    response.status(201).json({ message: 'Conversation(s) imported successfully' })
  })
  for (const [path, status] of [['/fork', 200], ['/duplicate', 201]] as const) {
    router.post(path, ({ body }, response) => {
      const source = ownOne(world, response, String((body as Record<string, unknown>)['conversationId']))
      if (source === undefined) response.status(404).json({ error: 'Conversation not found' })
      else response.status(status).json(copyConversation(world, source, userOf(response)))
    })
  }
  for (const path of ['/update', '/archive']) {
    router.post(path, ({ body }, response) => {
      const { arg } = body as { arg: Partial<Conversation> }
      const known = ownOne(world, response, String(arg.conversationId))
      if (known === undefined) return reply(response, 404, { error: 'Conversation not found' })
      const changed = { ...known, ...arg }
      world.conversations.set(known.conversationId, changed)
      response.status(201).json(changed)
    })
  }
  router.delete('/', ({ body }, response) => {
    const { arg } = body as { arg: { conversationId: string } }
    if (ownOne(world, response, arg.conversationId) !== undefined) world.conversations.delete(arg.conversationId)
    response.status(201).json({ acknowledged: true })
  })
  return router
}

/** What was said, at `…/messages`. */
export function messageRoutes (world: World): Router {
  const router = Router()
  router.use(requireUser)
  router.get(['/:conversationId', '/:conversationId/:messageId'], ({ params }, response) => {
    const { conversationId = '', messageId } = params as Record<string, string | undefined>
    if (ownOne(world, response, conversationId) === undefined) return reply(response, 404, { error: 'Not found' })
    const all = world.messages.get(conversationId) ?? []
    response.json(messageId === undefined ? all : all.filter((each) => each.messageId === messageId))
  })
  router.put('/:conversationId/:messageId', ({ params, body }, response) => {
    const list = world.messages.get(params.conversationId) ?? []
    const at = list.findIndex(({ messageId }) => messageId === params.messageId)
    const known = list[at]
    if (known === undefined) return reply(response, 404, { error: 'Message not found' })
    list[at] = { ...known, text: String((body as Record<string, unknown>)['text']) }
    response.status(201).json(list[at])
  })
  return router
}

/** Conversations shown to everybody who has the link, at `…/share`. */
export function shareRoutes (world: World): Router {
  const router = Router()
  router.get('/link/:conversationId', requireUser, ({ params }, response) => {
    const conversationId = String(params['conversationId'])
    const found = [...world.shares.values()].find((each) => each.conversationId === conversationId)
    response.json(found === undefined ? { success: false } : { success: true, ...found })
  })
  router.get('/:shareId', ({ params: { shareId } }, response) => {
    const share = world.shares.get(shareId)
    if (share === undefined) return reply(response, 404, { message: 'Share not found' })
    response.json({ shareId, title: 'shared', messages: world.messages.get(share.conversationId) ?? [] })
  })
  router.post('/:shareId/fork', requireUser, ({ params }, response) => {
    const shareId = String(params['shareId'])
    const source = world.conversations.get(world.shares.get(shareId)?.conversationId ?? '')
    if (source === undefined) response.status(404).json({ message: 'Share not found' })
    else response.status(201).json(copyConversation(world, source, userOf(response)))
  })
  router.post('/:conversationId', requireUser, ({ params }, response) => {
    const conversationId = String(params['conversationId'])
    if (ownOne(world, response, conversationId) === undefined) return reply(response, 404, { message: 'Not found' })
    const share = { shareId: randomUUID(), conversationId }
    world.shares.set(share.shareId, share)
    response.status(200).json(share)
  })
  return router
}

function ownOne ({ conversations }: World, response: Response, conversationId: string): Conversation | undefined {
  const found = conversations.get(conversationId)
  return found?.user === userOf(response) ? found : undefined
}

async function jsonOf (file: unknown): Promise<unknown> {
  return file instanceof Blob ? JSON.parse(await file.text()) : {}
}
