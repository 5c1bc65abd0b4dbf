import express from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'

/** A real server that says which handler a request line led to. */
export interface RoutingBackend {
  readonly name: string
  /** Sends the request line as it is; resolves with the handler's name, undefined where none was reached. */
  ask (method: string, target: string): Promise<string | undefined>
}

interface Teardown { teardown (task: () => unknown): void }

/** Handlers of the chat app, mounted as it mounts them: mount, method, path in the router, name. */
const routes = [
  ['/api/auth', 'post', '/login', 'login'],
  ['/api/auth', 'post', '/requestPasswordReset', 'reset'],
  ['/api/auth', 'post', '/refresh', 'refresh'],
  ['/api/agents', 'post', '/chat/abort', 'abort'],
  ['/api/agents', 'post', '/chat/stop', 'stop'],
  ['/api/agents', 'post', '/chat/:endpoint', 'chat'],
  ['/api/agents', 'get', '/chat/stream/:id', 'stream'],
  ['/api/ask', 'post', '/:endpoint/abort', 'askAbort'],
  ['/api/ask', 'post', '/*', 'ask'],
  ['/api/files', 'post', '/', 'files'],
  ['/api/files', 'post', '/speech/tts', 'tts'],
  ['/api/files', 'post', '/*', 'filesAny'],
  ['/api/share', 'get', '/:id', 'share'],
  ['/api', 'get', '/config', 'config'],
] as const

interface Strictness { strict?: boolean, caseSensitive?: boolean }

/** Starts every backend; each listens until the test ends. */
export async function startRoutingBackends (t: Teardown): Promise<RoutingBackend[]> {
  const servers: [string, App][] = [
    ['express 4', expressApp(express4, {}, {})],
    ['express 4, all strict', expressApp(express4, { strict: true, caseSensitive: true }, { strict: true, caseSensitive: true })],
    ['express 4, app minds case', expressApp(express4, { caseSensitive: true }, {})],
    ['express 4, routers mind case', expressApp(express4, {}, { strict: true, caseSensitive: true })],
    ['express 5', expressApp(express, {}, {})],
    ['express 5, all strict', expressApp(express, { strict: true, caseSensitive: true }, { strict: true, caseSensitive: true })],
    ['express 5, app minds case', expressApp(express, { caseSensitive: true }, {})],
    ['express 5, routers mind case', expressApp(express, {}, { strict: true, caseSensitive: true })],
    ['fastify', fastifyApp({})],
    ['fastify, slashes', fastifyApp({ ignoreTrailingSlash: true, ignoreDuplicateSlashes: true })],
    ['fastify, no case', fastifyApp({ caseSensitive: false })],
    ['fastify, semicolons', fastifyApp({ useSemicolonDelimiter: true })],
    ['fastify, all', fastifyApp({
      ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false, useSemicolonDelimiter: true,
    })],
    ['new URL()', listenerOf(resolveUrl)],
    ['new URL(), decoded', listenerOf((path) => decodeURIComponent(resolveUrl(path)))],
    ['servlet', listenerOf((path) => resolveUrl(decodeURIComponent(cutQuery(path).replace(/;[^/]*/g, '')).replace(/\/+/g, '/')))],
    ['decoding, python patterns', listenerOf((path) => decodeURIComponent(cutQuery(path)).replace(/\n$/, ''))],
  ]
  return await Promise.all(servers.map(async ([name, app]) => await startBackend(t, name, app)))
}

function expressApp (create: typeof express, app: Strictness, router: Strictness): RequestListener {
  const server = create()
  server.set('strict routing', app.strict ?? false)
  server.set('case sensitive routing', app.caseSensitive ?? false)
  server.set('env', 'test')
  const routers = new Map<string, ReturnType<typeof express.Router>>()
  for (const [mount, method, path, name] of routes) {
    const mounted = routers.get(mount) ?? create.Router(router)
    routers.set(mount, mounted)
    const spelled = create === express ? path.replace('*', '*splat') : path
    mounted[method](spelled, (_request, response) => { response.end(`handler ${name}`) })
  }
  // A router mounted shallow must not take what belongs to one mounted deep.
  for (const [mount, mounted] of [...routers].sort(([a], [b]) => b.length - a.length)) server.use(mount, mounted)
  server.use(errorToStatus)
  return server
}

/** Without it Express writes stack traces for every bad escape. */
const errorToStatus: express.ErrorRequestHandler = (_error, _request, response, _next) => {
  response.status(400).end('refused')
}

interface FastifyRouting {
  ignoreTrailingSlash?: boolean
  ignoreDuplicateSlashes?: boolean
  caseSensitive?: boolean
  useSemicolonDelimiter?: boolean
}

function fastifyApp (routerOptions: FastifyRouting): FastifyInstance {
  const app = fastify({ routerOptions })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => { done(null) })
  for (const [mount, method, path, name] of routes) {
    app.route({ method, url: path === '/' ? mount : mount + path, handler: async () => `handler ${name}` })
  }
  return app
}

/** A hand-written server: a way to read paths, and the routes as patterns, first come first served. */
function listenerOf (read: (path: string) => string): RequestListener {
  const table = routes.map(([mount, method, path, name]) => {
    const pattern = `${mount}${path === '/' ? '' : path}`.replace(/:[a-z]+/i, '[^/]+').replace('*', '.*')
    return { method: method.toUpperCase(), pattern: new RegExp(`^${pattern}$`, 's'), name }
  })
  return (request, response) => {
    let path: string
    try {
      path = read(request.url ?? '')
    } catch {
      response.writeHead(400).end('refused')
      return
    }
    const found = table.find(({ method, pattern }) => method === request.method && pattern.test(path))
    response.writeHead(found === undefined ? 404 : 200).end(`handler ${found?.name ?? ''}`)
  }
}

function resolveUrl (path: string): string {
  return new URL(path, 'http://localhost').pathname
}

function cutQuery (path: string): string {
  return path.split('?', 1)[0] ?? ''
}

type App = RequestListener | FastifyInstance

async function startBackend (t: Teardown, name: string, app: App): Promise<RoutingBackend> {
  const server = await listen(app)
  const line = createLine((server.address() as AddressInfo).port)
  t.teardown(async () => {
    line.end()
    server.closeAllConnections()
    await new Promise((resolve) => { server.close(resolve) })
  })
  return { name, ask: async (method, target) => await line.ask(method, target) }
}

async function listen (app: App): Promise<Server> {
  if (typeof app !== 'function') {
    await app.listen({ port: 0, host: '127.0.0.1' })
    return app.server
  }
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** One kept-alive connection; clients that build requests would tidy up the target. One question at a time. */
function createLine (port: number) {
  let socket: Socket | undefined
  return {
    async ask (method: string, target: string): Promise<string | undefined> {
      socket = socket?.writable === true ? socket : connect({ port, host: '127.0.0.1', noDelay: true })
      const body = method === 'POST' ? 'Content-Length: 0\r\n' : ''
      socket.write(`${method} ${target} HTTP/1.1\r\nHost: backend\r\n${body}\r\n`)
      const answer = await readAnswer(socket)
      if (/^HTTP\/1\.1 400|connection: close/i.test(answer)) {
        socket.destroy()
        socket = undefined
      }
      return answer.startsWith('HTTP/1.1 200') ? /handler (\w+)/.exec(answer)?.[1] : undefined
    },
    end: () => { socket?.destroy() },
  }
}

async function readAnswer (socket: Socket): Promise<string> {
  let answer = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    answer += String(chunk)
    const end = answer.indexOf('\r\n\r\n')
    if (end === -1) continue
    const length = /content-length: (\d+)/i.exec(answer)?.[1]
    const chunked = /transfer-encoding: chunked/i.test(answer)
    if (chunked ? answer.endsWith('0\r\n\r\n') : answer.length >= end + 4 + Number(length ?? 0)) break
  }
  return answer
}
