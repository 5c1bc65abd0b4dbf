import { Router } from 'express'
import { requireUser, requireUserOrGuest, userOf } from './caller.js'

/** What Hanzo Chat has beyond LibreChat (reference librechat.md §7), at its base. */
export function hanzoRoutes (): Router {
  const router = Router()
  router.post('/ask', requireUserOrGuest, ({ body }, response) => {
    response.json({ answer: `About ${String((body as Record<string, unknown>)['q'])}`, sources: [], user: userOf(response) })
  })
  router.post('/agents/cloud/:name/run', requireUser, ({ params }, response) => {
    response.json({ name: params.name, output: 'done' })
  })
  router.get('/agents/cloud', requireUser, (_request, response) => { response.json([]) })
  return router
}
