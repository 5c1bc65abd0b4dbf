import http, { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { answerClientError } from './client-error.js'
import { hangUp } from './hang-up.js'

/** The one path that Fastify's own router is shown. */
export const ONLY_PATH = '/'
/** Longer than the idle time of common load balancers, so that they, not we, close first. */
const KEEP_ALIVE_MS = 72_000

/** A request as Node parsed it, with what the listener keeps beside it. */
export interface RawRequest extends IncomingMessage {
  /** The target as sent; Fastify is shown another. */
  originalUrl?: string
  /** Set on WebSocket handshakes. */
  handshake?: { readonly socket: Socket, readonly head: Buffer }
}

/**
 * A Fastify instance that neither routes, parses nor judges: which rules apply is decided by the policy's route table,
 * so that no spelling of a target is read in two ways.
 */
export function createListener (): FastifyInstance {
  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    // A draining gateway still answers what comes on connections it has.
    return503OnClosing: false,
    // No time-out of ours ends a living upload or stream; heads must arrive within Node's own 60 s.
    requestTimeout: 0,
    connectionTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    rewriteUrl: () => ONLY_PATH,
    clientErrorHandler: answerClientError,
    // Node's own answer to a missing Host would be nobody's: ours has a request id.
    http: { shouldUpgradeCallback: isHandshake, requireHostHeader: false },
  })
  // In Fastify's eyes no method has a body: it then neither parses nor judges one, and the stream stays ours.
  for (const method of http.METHODS) if (method !== 'CONNECT') app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  acceptUpgrades(app)
  app.server.on('connect', (_request, socket: Socket) => answerClientError(new Error('CONNECT is refused'), socket))
  return app
}

/** Only `GET` with `websocket` upgrades; to anything else the header is noise, and it is an ordinary request. */
function isHandshake ({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
}

/** A handshake walks through the same hooks as any request, with a response that writes to its socket. */
function acceptUpgrades (app: FastifyInstance): void {
  app.server.on('upgrade', (request: RawRequest, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    try {
      request.handshake = { socket, head }
      const response = new ServerResponse(request)
      // Throws when a request before this one is still being answered: whoever pipelines a handshake is no WebSocket client.
      response.assignSocket(socket)
      response.shouldKeepAlive = false
      response.on('finish', () => hangUp(socket))
      app.routing(request, response)
    } catch {
      socket.destroy()
    }
  })
}
