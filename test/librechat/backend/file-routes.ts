import { Router, type Request, type Response } from 'express'
import { randomUUID } from 'node:crypto'
import { requireUser, userOf } from './caller.js'
import { readForm } from './form.js'
import { reply } from './reply.js'

/** Uploads, speech, at `…/files`. */
export function fileRoutes (): Router {
  const router = Router()
  router.use(requireUser)
  router.use('/speech', speechRoutes())
  router.get('/', (_request, response) => { response.json([]) })
  router.get('/config', (_request, response) => { response.json({ endpoints: {}, serverFileSizeLimit: 20_971_520 }) })
  router.post('/usage', (_request, response) => { response.json({ updated: 0 }) })
  for (const path of ['/', '/images', '/images/avatar']) router.post(path, upload)
  router.delete('/', (_request, response) => { response.json({ message: 'Files deleted successfully' }) })
  return router
}

/** Tools that the agent may call, at `…/agents/tools`. */
export function toolRoutes (): Router {
  const router = Router()
  router.use(requireUser)
  router.get('/', (_request, response) => { response.json([]) })
  router.post('/:toolId/call', (_request, response) => { response.json({ result: 'ok' }) })
  return router
}

function speechRoutes (): Router {
  const router = Router()
  router.post('/stt', async (request, response) => {
    const audio = (await readForm(request)).get('audio')
    response.json({ text: `${audio instanceof Blob ? audio.size : 0} bytes were said` })
  })
  router.post(['/tts', '/tts/manual'], async (request, response) => {
    const { size } = new Blob([String((await readForm(request)).get('input'))])
    response.type('audio/mpeg').send(Buffer.alloc(size, 1))
  })
  router.get('/tts/voices', (_request, response) => { response.json(['alloy']) })
  router.get('/config/get', (_request, response) => { response.json({ message: 'not_found' }) })
  return router
}

/** One file per request; whoever asks for an event stream gets heartbeats while it is worked on. */
async function upload (request: Request, response: Response): Promise<void> {
  const form = await readForm(request)
  const file = form.get('file')
  if (!(file instanceof File)) return reply(response, 400, { message: 'No file provided' })
  const answer = {
    message: 'File uploaded and processed successfully',
    user: userOf(response),
    file_id: randomUUID(),
    temp_file_id: form.get('file_id'),
    filename: decodeURIComponent(file.name),
    bytes: file.size,
    type: file.type,
    source: 'local',
    object: 'file',
  }
  if (request.headers.accept !== 'text/event-stream') return reply(response, 200, answer)
  response.type('text/event-stream')
  for (const [event, data] of [['heartbeat', {}], ['data', answer], ['close', {}]] as const) {
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }
  response.end()
}
