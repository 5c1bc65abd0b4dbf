import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Log } from '../log.js'
import type { NamedToken } from './admin-token.js'
import { createAudit } from './audit.js'
import { guard } from './auth.js'
import { banRoutes, type BanRoutesDeps } from './ban-routes.js'
import type { HostRules } from './host-check.js'
import { addProbes, type ProbeDeps } from './probe-routes.js'
import { createErrorHandler, sendProblem } from './problems.js'
import { subjectRoutes, type SubjectRoutesDeps } from './subject-routes.js'

export { loadAdminTokens } from './admin-token.js'

const BODY_LIMIT = 16 * 1024
/** Subjects travel in the path; an encoded id of 512 characters still fits. */
const MAX_PARAM_LENGTH = 4096
const REQUEST_TIMEOUT_MS = 30_000

type RoutesDeps = BanRoutesDeps & SubjectRoutesDeps

export interface AdminDeps extends HostRules, ProbeDeps, Omit<RoutesDeps, 'audit'> {
  readonly tokens: readonly NamedToken[]
  readonly log: Log
  readonly version: string
}

/** The operator's listener, ready to `listen`. Never the public one: it has its own port and its own guard. */
export async function createAdminListener (deps: AdminDeps): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // What a client sends is taken as it is, or refused: nothing is bent into shape or quietly left out.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    frameworkErrors: (error, _request, reply) => { sendProblem(reply, error.statusCode ?? 400, error.message) },
  })
  app.removeContentTypeParser('text/plain')
  app.setErrorHandler(createErrorHandler(deps.log))
  guard(app, deps)
  app.setNotFoundHandler((_request, reply) => { sendProblem(reply, 404, 'There is nothing here.') })
  await app.register(swagger, { openapi: describe(deps.version) })
  addProbes(app, deps)
  const audit = createAudit(deps.log, deps.clock)
  await app.register(banRoutes({ ...deps, audit }))
  await app.register(subjectRoutes({ ...deps, audit }))
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  await app.ready()
  return app
}

function describe (version: string) {
  return {
    openapi: '3.1.0',
    info: { title: 'Portcullis admin API', version },
    components: { securitySchemes: { token: { type: 'http' as const, scheme: 'bearer' } } },
    security: [{ token: [] }],
  }
}
