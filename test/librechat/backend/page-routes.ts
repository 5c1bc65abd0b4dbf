import { Router } from 'express'
import { bundleApp, type Library } from '../app/bundle.js'
import type { Generation } from './world.js'

const libraries: Readonly<Record<Generation, Library>> = {
  old: 'librechat-data-provider-7',
  new: 'librechat-data-provider',
  hanzo: 'librechat-data-provider',
}
const html = '<!doctype html><title>LibreChat</title><script type="module" src="/app.js"></script>'

/** The app's page: its client library, unchanged, in a browser. */
export function pageRoutes (generation: Generation): Router {
  const router = Router()
  router.get(['/', '/login', '/c/:conversationId'], (_request, response) => { response.type('html').send(html) })
  router.get('/app.js', async (_request, response) => {
    const script = await bundleApp(libraries[generation])
    // Hanzo publishes no library: its own is LibreChat's with other paths.
    response.type('text/javascript').send(generation === 'hanzo' ? script.replaceAll('/api/', '/v1/chat/') : script)
  })
  return router
}
