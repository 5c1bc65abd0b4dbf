import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { createServer as createTcp, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a helper needs of a tap test. */
export interface Teardown { teardown (clean: () => unknown): void }

export interface Backend {
  readonly server: Server
  /** As it stands in `upstream.url`. */
  readonly url: string
  readonly port: number
  /** Connections that are open right now. */
  readonly sockets: ReadonlySet<Socket>
}

/** A real HTTP server on a free port of 127.0.0.1, or on a unix socket, or with TLS; gone with the test. */
export async function startBackend (
  t: Teardown, handler: RequestListener, options: { tls?: { key: string, cert: string }, unix?: boolean } = {}
): Promise<Backend> {
  const server = options.tls === undefined ? createHttp(handler) : createHttps(options.tls, handler)
  const sockets = track(server)
  // Not what is tested here; a backend under test answers at its own pace.
  server.requestTimeout = 0
  t.teardown(() => stop(server, sockets))
  if (options.unix === true) {
    const directory = await mkdtemp(join(tmpdir(), 'backend-'))
    t.teardown(() => rm(directory, { recursive: true, force: true }))
    const path = join(directory, 'http.sock')
    await once(server.listen(path), 'listening')
    return { server, sockets, url: `unix:${path}`, port: 0 }
  }
  const port = await listen(server)
  return { server, sockets, port, url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}` }
}

/** A server that speaks bytes: for backends that misbehave. */
export async function startTcpBackend (t: Teardown, handler: (socket: Socket) => void): Promise<Omit<Backend, 'server'>> {
  const server = createTcp({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    handler(socket)
  })
  const sockets = track(server)
  t.teardown(() => stop(server, sockets))
  const port = await listen(server)
  return { sockets, port, url: `http://127.0.0.1:${port}` }
}

/** A port on which nobody listens. */
export async function freePort (): Promise<number> {
  const server = createTcp()
  const port = await listen(server)
  await stop(server, new Set())
  return port
}

/**
 * Waits until a claim holds, at most `withinMs`; false when it never did. One that fails does not hold yet: a request
 * that is under way when a ban comes is cut.
 */
export async function until (holds: () => boolean | Promise<boolean>, withinMs = 1_000): Promise<boolean> {
  const end = performance.now() + withinMs
  while (!await Promise.resolve().then(holds).catch(() => false)) {
    if (performance.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return true
}

async function listen (server: TcpServer): Promise<number> {
  await once(server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }), 'listening')
  return (server.address() as AddressInfo).port
}

function track (server: TcpServer): Set<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

async function stop (server: TcpServer, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  for (const socket of sockets) socket.destroy()
  await closed
}
