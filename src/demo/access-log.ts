import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.js'
import { maybeCallerOf } from './caller.js'

const decorator = 'demoAccessNoted'

/** One request that reached the backend. */
export interface AccessLine {
  /** ISO 8601. */
  readonly time: string
  readonly method: string
  readonly url: string
  /** 0: the client left before an answer. */
  readonly status: number
  readonly userAgent: string | undefined
  /** `X-Forwarded-For` as it came. */
  readonly xff: string | undefined
  /** The verified user. */
  readonly userId: string | undefined
}

export interface AccessLogOptions { readonly write: (line: AccessLine) => void, readonly clock: Clock }

/** One line per request, written before its answer's head leaves: who has read an answer finds the line. */
export function registerAccessLog (app: FastifyInstance, { write, clock }: AccessLogOptions): void {
  function note (request: FastifyRequest, status: number): void {
    if (request.getDecorator<boolean>(decorator)) return
    request.setDecorator(decorator, true)
    const { method, url, headers } = request
    const xff = headers['x-forwarded-for']
    write({
      time: new Date(clock()).toISOString(),
      method,
      url,
      status,
      userAgent: headers['user-agent'],
      xff: Array.isArray(xff) ? xff.join(', ') : xff,
      userId: maybeCallerOf(request)?.id,
    })
  }

  app.decorateRequest(decorator, false)
  app.addHook('onSend', async (request, reply) => note(request, reply.statusCode))
  app.addHook('onResponse', async (request) => note(request, 0))
}
