import express, { type ErrorRequestHandler, type Express } from 'express'
import type { IncomingHttpHeaders } from 'node:http'
import type { Test } from 'tap'
import { startBackend } from '../../helpers/backends.js'
import { askRoutes } from './ask-routes.js'
import { addAccount, authRoutes, oauthRoutes, userRoutes, type NewAccount } from './auth-routes.js'
import { identify, requireUser, requireUserOrGuest } from './caller.js'
import { chatRoutes } from './chat-routes.js'
import { conversationRoutes, messageRoutes, shareRoutes } from './conversation-routes.js'
import { keepMessage } from './conversations.js'
import { fileRoutes, toolRoutes } from './file-routes.js'
import { hanzoRoutes } from './hanzo-routes.js'
import type { Issuer } from './issuer.js'
import { createJobs, finalFrame, send, type Job } from './jobs.js'
import { pageRoutes } from './page-routes.js'
import { settingsRoutes } from './settings-routes.js'
import { createTokens } from './tokens.js'
import type { Account, Generation, Mood, World } from './world.js'

const defaultAccessSeconds = 15 * 60

export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

export interface LibreChat {
  readonly url: string
  /** Every request that reached it, in order, the page's own files left out. */
  readonly seen: readonly Seen[]
  readonly mood: Mood
  /** How often this was asked, as `METHOD /path`. */
  count (line: string): number
  add (account: NewAccount): Account
  /** The answer being written in this conversation. Throws when there is none. */
  job (streamId: string): Job
  say (job: Job, text: string): void
  finish (job: Job, outcome?: 'complete' | 'error', options?: { readonly hangUp?: boolean }): void
  /** A frame of any content, for everybody who watches. */
  frame (job: Job, data: object): void
  /** The last frame once more, on every connection that ever watched this answer. */
  repeatFinal (job: Job): void
}

export interface LibreChatOptions {
  /** Who signs people in where the app does not; Hanzo's alone. */
  readonly issuer?: Issuer
  /** Life of an access token, in seconds. */
  readonly accessSeconds?: number
}

/** The chat app before which the gateway stands, as much of it as its own client library asks for. */
export async function startLibreChat (
  t: Test, generation: Generation, options: LibreChatOptions = {}
): Promise<LibreChat> {
  const world = createWorld(generation, options)
  const seen: Seen[] = []
  const app = createApp(world, seen, options.issuer)
  const { url } = await startBackend(t, app)
  return {
    url,
    seen,
    mood: world.mood,
    count: (line) => seen.filter(({ method, path }) => `${method} ${path}` === line).length,
    add: (account) => addAccount(world, account),
    job (streamId) {
      const job = world.jobs.find(streamId)
      if (job === undefined) throw new Error(`No answer is being written in ${streamId}.`)
      return job
    },
    say: (job, text) => world.jobs.say(job, text),
    finish: (job, outcome = 'complete', how) => world.jobs.finish(job, outcome, how),
    frame (job, data) { for (const viewer of job.viewers) send(viewer, 'message', data) },
    repeatFinal (job) { for (const viewer of job.viewers) send(viewer, 'message', finalFrame(job)) },
  }
}

function createWorld (generation: Generation, { accessSeconds = defaultAccessSeconds }: LibreChatOptions): World {
  const world: World = {
    generation,
    base: generation === 'hanzo' ? '/v1/chat' : '/api',
    tokens: createTokens({ accessSeconds }),
    jobs: createJobs((message) => keepMessage(world, message)),
    accounts: new Map(),
    sessions: new Set(),
    conversations: new Map(),
    messages: new Map(),
    shares: new Map(),
    mood: { tokensSince: 0, activeFails: false, failNextMessage: undefined },
  }
  return world
}

function createApp (world: World, seen: Seen[], issuer: Issuer | undefined): Express {
  const { base, generation } = world
  const app = express()
  // One hop: the gateway, whose X-Forwarded-For has one entry.
  app.set('trust proxy', 1)
  app.use(pageRoutes(generation))
  app.use(({ method, path, headers }, _response, next) => {
    seen.push({ method, path, headers })
    next()
  })
  app.use(express.json({ limit: '3mb' }), express.urlencoded({ extended: true, limit: '3mb' }), identify(world, issuer))
  app.get('/health', (_request, response) => { response.send('OK') })
  if (generation !== 'hanzo') app.use('/oauth', oauthRoutes(world))
  if (generation !== 'hanzo') app.use(`${base}/auth`, authRoutes(world))
  app.use(`${base}/user`, userRoutes(world))
  app.use(`${base}/convos`, conversationRoutes(world))
  app.use(`${base}/messages`, messageRoutes(world))
  app.use(`${base}/share`, shareRoutes(world))
  app.use(`${base}/files`, fileRoutes())
  app.use(`${base}/agents/tools`, toolRoutes())
  const admit = generation === 'hanzo' ? requireUserOrGuest : requireUser
  if (generation !== 'old') app.use(`${base}/agents/chat`, chatRoutes(world, admit))
  if (generation === 'hanzo') app.use(base, hanzoRoutes())
  app.use(base, askRoutes(world), settingsRoutes())
  app.use((_request, response) => { response.status(404).json({ message: 'Endpoint not found' }) })
  app.use(failed)
  return app
}

/** As the app's own error handler; its four parameters are how Express knows one. */
const failed: ErrorRequestHandler = (error: Error & { status?: number }, _request, response, _next) => {
  if (response.headersSent) response.destroy()
  else response.status(error.status ?? 500).send(error.status === undefined ? 'An unknown error occurred.' : error.message)
}
