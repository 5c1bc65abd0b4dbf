import { Router } from 'express'
import { requireUser } from './caller.js'

/** What the page asks for while it opens. */
export function settingsRoutes (): Router {
  const router = Router()
  router.get('/config', (_request, response) => {
    response.json({ appTitle: 'LibreChat', emailLoginEnabled: true, registrationEnabled: true, socialLogins: [] })
  })
  router.get('/banner', (_request, response) => { response.json(null) })
  const own: Readonly<Record<string, unknown>> = {
    '/endpoints': { openAI: { order: 0, userProvide: false } },
    '/models': { openAI: ['gpt-4o'] },
    '/presets': [],
    '/balance': { tokenCredits: 0 },
    '/search/enable': false,
    '/categories': [],
    '/keys': { expiresAt: null },
    '/permissions/search-principals': { results: [] },
  }
  for (const [path, value] of Object.entries(own)) {
    router.get(path, requireUser, (_request, response) => { response.json(value) })
  }
  return router
}
