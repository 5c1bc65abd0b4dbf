import { Router, type Request, type RequestHandler, type Response } from 'express'
import { userOf } from './caller.js'
import { openTurn } from './conversations.js'
import { resumeState, type Job } from './jobs.js'
import type { World } from './world.js'
import { reply } from './reply.js'

/** Resumable chat (reference librechat.md §5), at `…/agents/chat`. */
export function chatRoutes (world: World, admit: RequestHandler): Router {
  const router = Router()
  router.use(admit)
  router.get('/stream/:streamId', ({ params, query }, response) => {
    const job = watchable(world, response, params.streamId)
    if (job !== undefined) world.jobs.watch(job, response, query['resume'] === 'true')
  })
  router.get('/status/:conversationId', ({ params: { conversationId } }, response) => {
    const job = world.jobs.find(conversationId)
    if (job === undefined || job.userId !== userOf(response)) return reply(response, 200, { active: false })
    const { streamId, createdAt } = job
    response.json({ active: true, streamId, status: 'running', createdAt, resumeState: resumeState(job) })
  })
  router.get('/active', (_request, response) => {
    if (world.mood.activeFails) return reply(response, 500, { message: 'An unknown error occurred.' })
    response.json({ activeJobIds: world.jobs.runningOf(userOf(response)).map(({ streamId }) => streamId) })
  })
  router.post('/abort', (request, response) => abort(world, request, response))
  router.post('{/:endpoint}', (request, response) => start(world, request, response))
  return router
}

function start (world: World, request: Request, response: Response): void {
  const body = (request.body ?? {}) as Record<string, unknown>
  const { mood, jobs } = world
  if (mood.failNextMessage !== undefined) {
    response.status(mood.failNextMessage).json({ error: 'The endpoint is not configured.' })
    mood.failNextMessage = undefined
    return
  }
  const user = userOf(response)
  const { clientRequestId } = body
  const isSame = (job: Job) => clientRequestId !== undefined && job.clientRequestId === clientRequestId
  const same = jobs.runningOf(user).find(isSame)
  if (same !== undefined) return started(response, same, 'resumed')
  const turn = openTurn(world, { user, endpoint: String(request.params['endpoint'] ?? 'agents'), body })
  if (turn === undefined) response.status(403).json({ error: 'User not authorized for this conversation' })
  else started(response, jobs.start(turn, clientRequestId), 'started')
}

function started (response: Response, { streamId }: Job, status: string): void {
  response.json({ streamId, conversationId: streamId, status })
}

/** An id that runs nowhere stands for the caller's newest answer, as in the app. */
function abort ({ jobs }: World, request: Request, response: Response): void {
  const { streamId, conversationId, abortKey } = (request.body ?? {}) as Record<string, string | undefined>
  const wanted = streamId ?? conversationId ?? abortKey?.split(':')[0] ?? ''
  const job = jobs.find(wanted) ?? jobs.runningOf(userOf(response))[0]
  if (job === undefined) return reply(response, 404, { error: 'Job not found', streamId: wanted })
  if (job.userId !== userOf(response)) return reply(response, 403, { error: 'Unauthorized' })
  jobs.finish(job, 'aborted')
  response.json({ success: true, aborted: job.streamId })
}

function watchable ({ jobs }: World, response: Response, streamId: string): Job | undefined {
  const job = jobs.find(streamId)
  if (job?.userId === userOf(response)) return job
  if (job !== undefined) response.status(403).json({ error: 'Unauthorized' })
  else response.status(404).json({ error: 'Stream not found', message: 'The generation job does not exist or has expired.' })
  return undefined
}
