import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { LRUCache } from 'lru-cache'
import Type from 'typebox'
import { callerOf, requireCaller } from './caller.js'
import { refreshCookie, type Tokens } from './tokens.js'
import { publicUser, type User, type Users } from './users.js'

const maxSignedOut = 10_000
const refreshCookiePattern = /(?:^|; )refreshToken=([^;]*)/

const Email = Type.String({ minLength: 3, maxLength: 254, pattern: '^[^@\\s]+@[^@\\s]+$' })
const Password = Type.String({ minLength: 8, maxLength: 128 })
const Registration = Type.Object({
  email: Email,
  name: Type.String({ minLength: 1, maxLength: 80 }),
  password: Password,
})
const Login = Type.Object({ email: Type.String({ maxLength: 254 }), password: Type.String({ maxLength: 128 }) })

export interface AuthOptions { readonly users: Users, readonly tokens: Tokens }

/** Register, sign in, stay signed in, sign out. */
export function registerAuthRoutes (app: FastifyInstance, { users, tokens }: AuthOptions): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()
  /** Sessions that ended before their cookie did. */
  const signedOut = new LRUCache<string, true>({ max: maxSignedOut })

  async function openSession (reply: FastifyReply, user: User, sessionId: string) {
    const [token, refresh] = await Promise.all([tokens.signAccess(user), tokens.signRefresh(user.id, sessionId)])
    reply.header('set-cookie', refreshCookie(refresh))
    return { token, user: publicUser(user) }
  }

  async function sessionOf (cookies: string | undefined) {
    const token = refreshTokenIn(cookies)
    return token === undefined ? undefined : tokens.verifyRefresh(token)
  }

  routes.post('/api/auth/register', { schema: { body: Registration } }, async (request, reply) => {
    const outcome = await users.register(request.body)
    if (outcome === 'full') return reply.code(503).send({ message: 'No more accounts fit in this demo.' })
    // The same answer for a taken e-mail: registering does not tell who has an account.
    return { message: 'Registration successful. You can sign in now.' }
  })

  // The two messages and the 404 are LibreChat's own.
  routes.post('/api/auth/login', { schema: { body: Login } }, async (request, reply) => {
    const user = users.findByEmail(request.body.email)
    if (user === undefined) return reply.code(404).send({ message: 'Email does not exist.' })
    const matches = await users.authenticate(user, request.body.password)
    if (!matches) return reply.code(404).send({ message: 'Incorrect password.' })
    return openSession(reply, user, randomUUID())
  })

  routes.post('/api/auth/refresh', async (request, reply) => {
    if (refreshTokenIn(request.headers.cookie) === undefined) return reply.send('Refresh token not provided')
    const session = await sessionOf(request.headers.cookie)
    const user = session && users.findById(session.userId)
    if (session === undefined || user === undefined || signedOut.has(session.sessionId)) {
      return reply.code(401).send({ message: 'Refresh token expired or not found for this user' })
    }
    return openSession(reply, user, session.sessionId)
  })

  routes.post('/api/auth/logout', async (request, reply) => {
    const session = await sessionOf(request.headers.cookie)
    if (session !== undefined) signedOut.set(session.sessionId, true)
    reply.header('set-cookie', refreshCookie(''))
    return { message: 'Logout successful' }
  })

  routes.get('/api/user', { onRequest: requireCaller }, async (request) => publicUser(callerOf(request)))
}

function refreshTokenIn (cookies: string | undefined): string | undefined {
  const token = refreshCookiePattern.exec(cookies ?? '')?.[1]
  return token === '' ? undefined : token
}
