/** What the proofs over several instances have in common: a chat backend, its users, and two gateways before it. */
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { startBackend, until, type Backend } from '../helpers/backends.js'
import { JWT_SECRET, startProduct, type Product, type ProductOptions } from '../helpers/product.js'
import { startRedis, type RedisServer } from '../helpers/redis.js'
import { startRedisCluster } from '../helpers/redis-cluster.js'

const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'
/** No browser says so: worth a ban at once. */
const SCRIPT = 'curl/8'
/** Commands that nobody's request waits for are waited for so long, on a busy machine. */
export const SOON_MS = 15_000
/** Verdicts are what is proved here, not how a busy machine misses the deadline. */
export const PATIENT = 'store: { deadline: 5s, onFailure: closed }\n'

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

export interface Caller { readonly user: string, readonly ip?: string, readonly script?: boolean }

/** Head fields of a signed-in user at an address. */
export function as ({ user, ip = '192.0.2.1', script = false }: Caller): Record<string, string> {
  const now = Math.floor(Date.now() / 1000)
  const signed = `${encode({ alg: 'HS256' })}.${encode({ id: user, sub: user, exp: now + 600 })}`
  const token = `${signed}.${createHmac('sha256', JWT_SECRET).update(signed).digest('base64url')}`
  return { authorization: `Bearer ${token}`, 'user-agent': script ? SCRIPT : BROWSER, 'x-forwarded-for': ip }
}

export interface Answer { readonly status: number, readonly body: Record<string, unknown> }

/** Sends and reads to the end. The body is empty where it is no JSON object. */
export async function ask (url: string, headers: Record<string, string>, json?: object): Promise<Answer> {
  const response = await fetch(url, sending(headers, json))
  const text = await response.text()
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) as Record<string, unknown> : {} }
}

const sending = (headers: Record<string, string>, json?: object) => json === undefined
  ? { headers }
  : { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(json) }

/** A message in today's protocol: answered at once with the id of the stream that brings the words. */
export const say = async (url: string, caller: Caller): Promise<Answer> =>
  await ask(`${url}/api/agents/chat/openAI`, as(caller), { text: 'hi' })

/** What the operator asks of an instance. */
export async function operate (
  { adminUrl, adminToken }: Pick<Product, 'adminUrl' | 'adminToken'>, method: string, path: string, body?: object
): Promise<number> {
  const headers = { authorization: `Bearer ${adminToken}`, ...body && { 'content-type': 'application/json' } }
  return (await fetch(`${adminUrl}${path}`, { method, headers, ...body && { body: JSON.stringify(body) } })).status
}

export interface Readiness {
  readonly status: string
  readonly checks: Record<string, { readonly status: string, readonly reason?: string }>
}

export async function readiness ({ adminUrl }: Pick<Product, 'adminUrl'>): Promise<Readiness> {
  return await (await fetch(`${adminUrl}/readyz`)).json() as Readiness
}

/** Waits until each instance says that all is well. */
export const allReady = async (products: readonly Product[]) => await until(async () => {
  return (await Promise.all(products.map(readiness))).every(({ status }) => status === 'ready')
}, SOON_MS)

/** The value of a sample of /metrics; undefined when it is not told. */
export async function metric ({ adminUrl }: Pick<Product, 'adminUrl'>, name: string): Promise<number | undefined> {
  const lines = (await (await fetch(`${adminUrl}/metrics`)).text()).split('\n')
  const line = lines.find((one) => one.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}

/** An answer that is being received. */
export interface Open {
  readonly status: number
  /** When it ended, by `performance.now()`; undefined: not yet. */
  endedAt (): number | undefined
  text (): string
}

/** Opens an event stream and follows it until somebody ends it. */
export async function openStream (t: Test, url: string, headers: Record<string, string>, json?: object): Promise<Open> {
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  const { status, body } = await fetch(url, { ...sending(headers, json), signal: abort.signal })
  let endedAt: number | undefined
  let text = ''
  const follow = async () => {
    for await (const piece of body ?? []) text += Buffer.from(piece as Uint8Array).toString()
  }
  follow().catch(() => {}).finally(() => { endedAt = performance.now() })
  return { status, endedAt: () => endedAt, text: () => text }
}

/** Opens a WebSocket. */
export async function openSocket (t: Test, url: string, headers: Record<string, string>): Promise<Open> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers })
  let endedAt: number | undefined
  let text = ''
  t.teardown(() => socket.terminate())
  socket.on('error', () => {})
  socket.on('message', (data: Buffer) => { text += data.toString() })
  socket.on('close', () => { endedAt = performance.now() })
  await once(socket, 'open')
  return { status: 101, endedAt: () => endedAt, text: () => text }
}

export interface Chat extends Backend {
  /** Methods and paths that reached it, in order. */
  readonly reached: string[]
  /** Sends a frame on every open stream. */
  speak (words: string): void
  /** Ends a generation, with its last frame on every stream of it. */
  finish (stream: string): void
}

/** A chat backend as LibreChat is: messages answer with a stream's id, older ones stream themselves, `/ws` is a socket. */
export async function startChat (t: Test, onRequest: () => void = () => {}): Promise<Chat> {
  const reached: string[] = []
  const generating = new Set<string>()
  const streams = new Map<ServerResponse, string>()
  const stream = (res: ServerResponse, id: string) => {
    streams.set(res, id)
    res.on('close', () => streams.delete(res))
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write('event: message\ndata: {"text":"…"}\n\n')
  }
  const backend = await startBackend(t, (req: IncomingMessage, res) => {
    const { method = '', url = '' } = req
    reached.push(`${method} ${url}`)
    onRequest()
    req.resume()
    const id = /^\/api\/agents\/chat\/stream\/(.+)$/.exec(url)?.[1]
    if (id !== undefined || url === '/events' || url.startsWith('/api/ask/')) stream(res, id ?? url)
    else if (url === '/api/agents/chat/active') json(res, { activeJobIds: [...generating] })
    else if (method === 'POST' && url.startsWith('/api/agents/chat/')) {
      const streamId = `s${reached.length}`
      generating.add(streamId)
      json(res, { streamId, conversationId: streamId, status: 'started' })
    } else res.end('ok')
  })
  const sockets = new WebSocketServer({ server: backend.server, path: '/ws' })
  sockets.on('connection', (socket) => { socket.on('error', () => {}) })
  return {
    ...backend,
    reached,
    speak: (words) => {
      for (const res of streams.keys()) res.write(`data: ${JSON.stringify({ text: words })}\n\n`)
      for (const socket of sockets.clients) socket.send(words)
    },
    finish: (id) => {
      generating.delete(id)
      for (const [res, of] of streams) if (of === id) res.end('event: message\ndata: {"final":true,"conversation":{}}\n\n')
    },
  }
}

function json (res: ServerResponse, value: object): void {
  res.setHeader('content-type', 'application/json')
  res.end(JSON.stringify(value))
}

export const TOPOLOGIES = {
  'one Redis': async (t: Test) => {
    const server = await startRedis(t)
    return { url: server.url, servers: [server] }
  },
  'a Cluster': async (t: Test) => {
    const { url, nodes } = await startRedisCluster(t)
    return { url, servers: nodes }
  },
} as const satisfies Record<string, (t: Test) => Promise<{ url: string, servers: readonly RedisServer[] }>>

export type Topology = keyof typeof TOPOLOGIES
export const TOPOLOGY_NAMES = Object.keys(TOPOLOGIES) as Topology[]

export type PairOptions = Omit<ProductOptions, 'time'>

/** Two instances of one gateway, whose clients stand behind a proxy that is trusted. */
export async function startPair (t: Test, options: PairOptions): Promise<readonly [Product, Product]> {
  const start = async () => await startInstance(t, options)
  return await Promise.all([start(), start()])
}

export async function startInstance (t: Test, options: PairOptions): Promise<Product> {
  return await startProduct(t, { ...options, time: 'server', env: { GATEWAY_TRUST_PROXY: 'loopback', ...options.env } })
}
