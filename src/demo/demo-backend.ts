import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Clock } from '../clock.js'
import { registerAccessLog, type AccessLine } from './access-log.js'
import { registerAskRoutes } from './ask-routes.js'
import { registerAuthRoutes } from './auth-routes.js'
import { registerCaller } from './caller.js'
import { registerChatRoutes } from './chat-routes.js'
import { registerConversationRoutes } from './conversation-routes.js'
import { createConversations } from './conversations.js'
import { createGenerations } from './generations.js'
import { registerPageRoutes } from './page-routes.js'
import { createTokens } from './tokens.js'
import { registerUploadRoutes } from './upload-routes.js'
import { createUsers, type NewAccount } from './users.js'

/** LibreChat's own limit for JSON bodies. Uploads have none. */
const bodyLimit = 3 * 1024 * 1024
/** The gateway, whose `X-Forwarded-For` has one entry. */
const trustedHops = 1
const defaultTokenDelayMs = 40

export interface DemoBackendOptions {
  /** Signs access tokens; the gateway verifies with the same. */
  readonly jwtSecret: string
  /** Signs refresh tokens. */
  readonly refreshSecret: string
  readonly clock: Clock
  /** Where accounts survive a restart; none: they do not. */
  readonly dataFile?: string | undefined
  /** Made when no account has its e-mail yet; the page offers it to visitors. */
  readonly account?: NewAccount | undefined
  /** Between two words of an answer (40). */
  readonly tokenDelayMs?: number | undefined
  /** Log through pino to standard error (false). */
  readonly log?: boolean | undefined
  readonly accessLog?: ((line: AccessLine) => void) | undefined
}

/**
 * A small chat server that speaks as LibreChat's newest generation does, not listening yet.
 * Throws when `dataFile` cannot be read.
 */
export async function createDemoBackend (options: DemoBackendOptions): Promise<FastifyInstance> {
  const { clock, account, tokenDelayMs = defaultTokenDelayMs } = options
  const users = await createUsers({ file: options.dataFile, clock })
  if (account !== undefined && users.findByEmail(account.email) === undefined) await users.register(account)
  const tokens = createTokens(options)
  const conversations = createConversations({ clock })
  const generations = createGenerations({ conversations, clock, tokenDelayMs })

  const app = createServer(options.log ?? false)
  registerCaller(app, { tokens, users })
  if (options.accessLog !== undefined) registerAccessLog(app, { write: options.accessLog, clock })
  registerPageRoutes(app)
  registerPublicRoutes(app, account)
  registerAuthRoutes(app, { users, tokens })
  registerConversationRoutes(app, conversations)
  registerUploadRoutes(app)
  registerChatRoutes(app, { conversations, generations, clock })
  registerAskRoutes(app, { conversations, clock, tokenDelayMs })
  app.addHook('preClose', async () => generations.close())
  return app
}

/** Routes letters and trailing slashes as loosely as LibreChat's Express does; trusts the one hop before it. */
function createServer (log: boolean): FastifyInstance {
  const app = Fastify({
    logger: log ? { stream: process.stderr } : false,
    bodyLimit,
    trustProxy: (_address: string, hop: number) => hop < trustedHops,
    forceCloseConnections: true,
    routerOptions: { caseSensitive: false, ignoreTrailingSlash: true },
    // No guessing: `null` stays null, a number is no string.
    ajv: { customOptions: { coerceTypes: false } },
  })
  // Express reads forms as it reads JSON.
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body.toString())))
  })
  app.setErrorHandler(replyWithError)
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ message: 'Endpoint not found' }))
  return app
}

function registerPublicRoutes (app: FastifyInstance, account: NewAccount | undefined): void {
  const demoAccount = account && { email: account.email, password: account.password }
  app.get('/health', async () => 'OK')
  app.get('/api/config', async () => ({
    appTitle: 'Portcullis demo chat',
    emailLoginEnabled: true,
    registrationEnabled: true,
    demoAccount,
  }))
}

async function replyWithError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const status = error.statusCode ?? 500
  if (status >= 500) request.log.error({ err: error }, 'a request failed')
  await reply.code(status).send({ message: status >= 500 ? 'Internal error' : error.message })
}
