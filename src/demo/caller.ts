import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Tokens } from './tokens.js'
import type { User, Users } from './users.js'

const bearer = 'Bearer '
const decorator = 'demoCaller'

export interface CallerOptions { readonly tokens: Tokens, readonly users: Users }

/** Finds out who calls, on every route; only `requireCaller` turns somebody away. */
export function registerCaller (app: FastifyInstance, { tokens, users }: CallerOptions): void {
  app.decorateRequest(decorator, undefined)
  app.addHook('onRequest', async (request) => {
    const header = request.headers.authorization
    if (header === undefined || !header.startsWith(bearer)) return
    const id = await tokens.verifyAccess(header.slice(bearer.length))
    if (id !== undefined) request.setDecorator(decorator, users.findById(id))
  })
}

/** An `onRequest` hook for routes that need a signed-in user. */
export async function requireCaller (request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (maybeCallerOf(request) === undefined) await reply.code(401).send({ message: 'Unauthorized' })
}

export function maybeCallerOf (request: FastifyRequest): User | undefined {
  return request.getDecorator<User | undefined>(decorator)
}

/** Throws where `requireCaller` was forgotten. */
export function callerOf (request: FastifyRequest): User {
  const caller = maybeCallerOf(request)
  if (caller === undefined) throw new Error('this route does not require a caller')
  return caller
}
