/** A small LibreChat: resumable and older chat routes, aborts, sign-in; the rest answers `ok`. */
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { startBackend } from '../../helpers/backends.js'
import { accessToken, readBearer } from './tokens.js'

const PUBLIC = /^\/(api\/(auth|user|share|config|admin)|oauth|$)/
export const FINAL_FRAME = 'event: message\ndata: {"final":true,"conversation":{}}\n\n'

export interface Seen { readonly method: string, readonly path: string, readonly headers: IncomingHttpHeaders }

export interface ChatBackend {
  readonly url: string
  /** Every request that reached it, in order. */
  readonly seen: readonly Seen[]
  /** How many requests with this method reached it. */
  count (method: string): number
  /** Answers the next request otherwise. */
  answerNext (handler: RequestListener): void
  /** Answers that are open on a stream, in the order in which they were opened. */
  viewers (streamId: string): readonly ServerResponse[]
  /** Ends a generation: it is no longer active, and whoever watches sees its last frame. */
  finish (streamId: string): void
}

interface Generation {
  readonly user: string
  readonly slow: boolean
  readonly viewers: ServerResponse[]
  over: boolean
}

export interface BackendOptions {
  /** Any bearer is somebody: for credentials that this backend would have to ask an issuer about. */
  readonly trusting?: boolean
}

/** A message of the text `slow` is generated until `finish`; any other is ready when its stream is opened. */
export async function startChatBackend (t: Test, { trusting = false }: BackendOptions = {}): Promise<ChatBackend> {
  const seen: Seen[] = []
  const special: RequestListener[] = []
  const generations = new Map<string, Generation>()
  const answer: RequestListener = (req, res) => {
    respond(req, res, { generations, trusting }).catch(() => { res.destroy() })
  }
  const { url } = await startBackend(t, (req, res) => {
    const { method = '', url: path = '', headers } = req
    seen.push({ method, path, headers })
    const handler = special.shift() ?? (answer)
    handler(req, res)
  })
  return {
    url,
    seen,
    count: (method) => seen.filter((one) => one.method === method).length,
    answerNext: (handler) => { special.push(handler) },
    viewers: (streamId) => generations.get(streamId)?.viewers ?? [],
    finish: (streamId) => {
      const generation = generations.get(streamId)
      if (generation === undefined) throw new Error(`There is no ${streamId}.`)
      generation.over = true
      for (const viewer of generation.viewers) viewer.end(FINAL_FRAME)
    },
  }
}

interface State { readonly generations: Map<string, Generation>, readonly trusting: boolean }

async function respond (req: IncomingMessage, res: ServerResponse, { generations, trusting }: State): Promise<void> {
  const path = (req.url ?? '').split('?')[0] ?? ''
  const { authorization } = req.headers
  const user = trusting ? authorization : await readBearer(authorization)
  const body = await readJson(req)
  if (path === '/api/auth/login') return signIn(res, body)
  if (user === undefined && !PUBLIC.test(path)) return json(res, { message: 'Unauthorized' }, 401)
  const [, , chat = ''] = /^\/(api|v1\/chat)\/agents\/chat\/?(.*)$/.exec(path) ?? []
  if (chat === 'active') return json(res, { activeJobIds: runningOf(generations, user) })
  if (chat === 'abort') return abort(res, generations, String(body['streamId']))
  if (chat.startsWith('stream/')) return watch(res, generations.get(chat.slice('stream/'.length)))
  if (chat !== '' && req.method === 'POST') return start(res, generations, { user: user ?? '', slow: body['text'] === 'slow' })
  if (path.startsWith('/api/ask/')) sse(res).end(FINAL_FRAME)
  else json(res, { ok: true })
}

/** The password is everybody's. */
function signIn (res: ServerResponse, { email, password }: Record<string, unknown>): void {
  if (typeof email !== 'string' || password !== 'right') return json(res, { message: 'Wrong password' }, 404)
  const id = email.trim().toLowerCase().split('@')[0] ?? ''
  json(res, { token: accessToken(id), user: { id, email: email.trim().toLowerCase() } })
}

function start (res: ServerResponse, generations: State['generations'], of: Pick<Generation, 'user' | 'slow'>): void {
  const streamId = `stream-${generations.size + 1}`
  generations.set(streamId, { ...of, viewers: [], over: false })
  json(res, { streamId, conversationId: streamId, status: 'started' })
}

function watch (res: ServerResponse, generation: Generation | undefined): void {
  if (generation === undefined) return json(res, { error: 'Stream not found' }, 404)
  generation.viewers.push(sse(res))
  res.write('event: message\ndata: {"created":true}\n\n')
  if (generation.slow && !generation.over) return
  generation.over = true
  res.end(FINAL_FRAME)
}

function abort (res: ServerResponse, generations: State['generations'], streamId: string): void {
  const generation = generations.get(streamId)
  if (generation === undefined) return json(res, { error: 'Job not found', streamId }, 404)
  generation.over = true
  json(res, { success: true, aborted: streamId })
}

function runningOf (generations: State['generations'], user: string | undefined): string[] {
  return [...generations].filter(([, one]) => one.user === user && !one.over).map(([id]) => id)
}

function sse (res: ServerResponse): ServerResponse {
  return res.writeHead(200, { 'content-type': 'text/event-stream' })
}

function json (res: ServerResponse, value: object, status = 200): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** Empty where it is no JSON object. */
async function readJson (req: IncomingMessage): Promise<Record<string, unknown>> {
  const pieces: Buffer[] = []
  for await (const piece of req) pieces.push(piece as Buffer)
  try {
    return Object(JSON.parse(Buffer.concat(pieces).toString())) as Record<string, unknown>
  } catch {
    return {}
  }
}
