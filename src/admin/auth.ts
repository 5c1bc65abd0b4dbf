import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { NamedToken, Operator } from './admin-token.js'
import { createTokenCheck } from './admin-token.js'
import type { HostRules } from './host-check.js'
import { createHostCheck } from './host-check.js'
import { sendProblem } from './problems.js'

/** What probes and scrapers may ask without a token. */
const OPEN = new Set(['/livez', '/readyz', '/metrics'])
const LOOKING = new Set(['GET', 'HEAD'])
const BEARER = /^Bearer +([\w.~+/=-]{1,4096})$/i
const OPERATOR = 'operator'

/** Guards every route of the listener, the ones that do not exist included. */
export function guard (app: FastifyInstance, rules: HostRules & { readonly tokens: readonly NamedToken[] }): void {
  const isOurHost = createHostCheck(rules)
  const operatorOf = createTokenCheck(rules.tokens)
  app.decorateRequest(OPERATOR)
  app.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    if (!isOurHost(request)) {
      return sendProblem(reply, 421, 'This Host is not served here. ADMIN_ALLOWED_HOSTS names further ones.')
    }
    if (OPEN.has(request.routeOptions.url ?? '')) return undefined
    const operator = operatorOf(BEARER.exec(request.headers.authorization ?? '')?.[1] ?? '')
    if (operator === undefined) {
      reply.header('www-authenticate', 'Bearer')
      return sendProblem(reply, 401, 'Sign in with the admin token.')
    }
    if (operator.scope === 'read' && !LOOKING.has(request.method)) {
      return sendProblem(reply, 403, 'This token may look, not change.')
    }
    request.setDecorator(OPERATOR, operator)
    return undefined
  })
}

/** Who sent a request that the guard let through. */
export function operatorOf (request: FastifyRequest): Operator {
  return request.getDecorator<Operator>(OPERATOR)
}
