import { Router, type Response } from 'express'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { extname, join } from 'node:path'
import type { Generation } from './world.js'
import { reply } from './reply.js'

const types: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.mjs': 'text/javascript' }
const require = createRequire(import.meta.url)
const appFile = join(import.meta.dirname, '..', 'app', 'app.ts')

/** The client library as published: the last of 0.7, and today's. */
const libraries: Readonly<Record<Generation, string>> = {
  old: 'librechat-data-provider-7/dist/index.es.js',
  new: 'librechat-data-provider/dist/index.mjs',
  hanzo: 'librechat-data-provider/dist/index.mjs',
}

/** Where a bundler would find what the library imports. */
const others = {
  'sse.js': '/modules/sse.js/lib/sse.js',
  axios: '/modules/axios/dist/esm/axios.js',
  zod: '/modules/zod/index.js',
  dayjs: '/modules/dayjs/esm/index.js',
  'dayjs/plugin/utc.js': '/modules/dayjs/esm/plugin/utc/index.js',
  'dayjs/plugin/timezone.js': '/modules/dayjs/esm/plugin/timezone/index.js',
  croner: '/modules/croner/dist/croner.js',
  'js-yaml': '/modules/js-yaml/dist/js-yaml.mjs',
  re2js: '/modules/re2js/build/index.js',
  url: 'data:text/javascript,export const URL = globalThis.URL',
  crypto: 'data:text/javascript,export default globalThis.crypto',
}

/** The app's page: its client library, unchanged, in a browser. */
export function pageRoutes (generation: Generation): Router {
  const router = Router()
  const imports = { ...others, 'librechat-data-provider': `/modules/${libraries[generation]}` }
  const html = `<!doctype html><title>LibreChat</title>
<script type="importmap">${JSON.stringify({ imports })}</script><script type="module" src="/app.js"></script>`
  router.get(['/', '/login', '/c/:conversationId'], (_request, response) => { response.type('html').send(html) })
  router.get('/app.js', async (_request, response) => {
    response.type('text/javascript').send(stripTypeScriptTypes(await readFile(appFile, 'utf8')))
  })
  router.get('/modules/*path', async ({ path }, response) => {
    await sendModule(response, path.slice('/modules/'.length), generation)
  })
  return router
}

/** Hanzo publishes no library: its own is LibreChat's with other paths. */
async function sendModule (response: Response, path: string, generation: Generation): Promise<void> {
  const file = fileOf(path)
  if (file === undefined) return reply(response, 404)
  const text = await readFile(file, 'utf8')
  const isLibrary = generation === 'hanzo' && path.startsWith('librechat-data-provider/')
  // Other tabs need not ask again.
  response.set('cache-control', 'max-age=600').type(types[extname(file)] ?? 'text/plain').send(isLibrary ? text.replaceAll('/api/', '/v1/chat/') : text)
}

/** Node's folders, from the nearest; the endings that a bundler would add. */
function fileOf (path: string): string | undefined {
  const name = path.split('/')[0] ?? ''
  for (const folder of require.resolve.paths(name) ?? []) {
    const found = ['', '.js', '/index.js'].map((end) => join(folder, path + end)).find((file) => extname(file) !== '' && existsSync(file))
    if (found !== undefined) return found
  }
  return undefined
}
