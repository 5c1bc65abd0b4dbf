import { Router, type Request, type Response } from 'express'
import { randomBytes, randomUUID } from 'node:crypto'
import { requireUser, userOf } from './caller.js'
import { publicAccount, type Account, type World } from './world.js'
import { reply } from './reply.js'

const refreshMs = 7 * 86_400_000
/** The second factor of everybody who has one. */
const secondFactor = '123456'

/** Sign-in and everything about it, at `/api/auth`, with the app's own statuses and texts. */
export function authRoutes (world: World): Router {
  const router = Router()
  router.post('/login', (request, response) => login(world, request, response))
  router.post('/register', (request, response) => {
    addAccount(world, request.body as NewAccount)
    response.json({ message: 'Please check your email to verify your email address.' })
  })
  router.post('/refresh', (request, response) => refresh(world, request, response))
  router.post('/logout', requireUser, async (request, response) => {
    const session = await world.tokens.read('refresh', cookieOf(request, 'refreshToken'))
    world.sessions.delete(String(session?.['sessionId']))
    response.clearCookie('refreshToken').clearCookie('token_provider').json({ message: 'Logout successful' })
  })
  router.post('/requestPasswordReset', (_request, response) => {
    response.json({ message: 'If an account with that email exists, a password reset link has been sent to it.' })
  })
  router.post('/resetPassword', (_request, response) => {
    response.status(400).json({ message: 'Invalid or expired password reset token' })
  })
  router.post('/2fa/verify-temp', (request, response) => verifySecond(world, request, response))
  return router
}

/** The user's own record, and the verification of his e-mail. */
export function userRoutes (world: World): Router {
  const router = Router()
  router.get('/', requireUser, (_request, response) => {
    const account = world.accounts.get(userOf(response))
    response.json(account === undefined ? { id: userOf(response) } : publicAccount(account))
  })
  router.get('/terms', requireUser, (_request, response) => { response.json({ termsAccepted: true }) })
  router.post('/verify', (_request, response) => { response.status(400).json({ message: 'Invalid or expired token' }) })
  router.post('/verify/resend', (_request, response) => { response.json({ message: 'Verification email sent' }) })
  return router
}

/** A sign-in at another provider, at `/oauth`: there and back. */
export function oauthRoutes (world: World): Router {
  const router = Router()
  router.get('/:provider', ({ params }, response) => {
    response.redirect(`https://provider.example/${params.provider}`)
  })
  router.get('/:provider/callback', async (_request, response) => {
    const account = [...world.accounts.values()][0]
    if (account !== undefined) await openSession(world, response, account)
    response.redirect('/')
  })
  return router
}

export interface NewAccount {
  readonly email: string
  readonly password: string
  readonly name?: string
  readonly twoFactor?: boolean
}

/** What is there already stays. */
export function addAccount ({ accounts }: World, wanted: NewAccount): Account {
  const { email, password, name = email, twoFactor = false } = wanted
  const folded = email.trim().toLowerCase()
  const known = [...accounts.values()].find((each) => each.email === folded)
  if (known !== undefined) return known
  const id = randomBytes(12).toString('hex')
  const username = folded.split('@')[0] ?? ''
  const account: Account = { id, email: folded, name, username, password, provider: 'local', role: 'USER', twoFactor }
  accounts.set(id, account)
  return account
}

async function login (world: World, request: Request, response: Response): Promise<void> {
  const { email, password } = (request.body ?? {}) as Partial<NewAccount>
  const account = [...world.accounts.values()].find((each) => each.email === email?.trim().toLowerCase())
  if (account === undefined) response.status(404).json({ message: 'Email does not exist.' })
  else if (account.password !== password) response.status(404).json({ message: 'Incorrect password.' })
  else if (account.twoFactor) response.json({ twoFAPending: true, tempToken: await world.tokens.temp(account.id) })
  else response.json(await openSession(world, response, account))
}

async function verifySecond (world: World, request: Request, response: Response): Promise<void> {
  const { tempToken = '', token } = (request.body ?? {}) as { tempToken?: string, token?: string }
  const claims = await world.tokens.read('access', tempToken)
  const account = world.accounts.get(String(claims?.['userId']))
  if (account === undefined) response.status(401).json({ message: 'Invalid or expired temporary token' })
  else if (token !== secondFactor) response.status(401).json({ message: 'Invalid 2FA code or backup code' })
  else response.json(await openSession(world, response, account))
}

async function refresh (world: World, request: Request, response: Response): Promise<void> {
  const cookie = cookieOf(request, 'refreshToken')
  // The app answers this with 200 and a word, which its client takes for "nobody is signed in".
  if (cookie === '') return reply(response, 200, 'Refresh token not provided')
  const claims = await world.tokens.read('refresh', cookie)
  if (claims === undefined) return reply(response, 403, 'Invalid refresh token')
  const account = world.accounts.get(String(claims['id']))
  const sessionId = String(claims['sessionId'])
  if (account === undefined || !world.sessions.has(sessionId)) {
    return reply(response, 401, 'Refresh token expired or not found for this user')
  }
  response.json(await openSession(world, response, account, sessionId))
}

async function openSession (world: World, response: Response, account: Account, sessionId: string = randomUUID()) {
  world.sessions.add(sessionId)
  const cookie = { httpOnly: true, sameSite: 'strict', maxAge: refreshMs } as const
  response.cookie('refreshToken', await world.tokens.refresh(account.id, sessionId), cookie)
  response.cookie('token_provider', 'librechat', cookie)
  return { token: await world.tokens.access(account), user: publicAccount(account) }
}

function cookieOf ({ headers }: Request, name: string): string {
  const pairs = (headers.cookie ?? '').split('; ').map((pair) => pair.split('='))
  return pairs.find(([key]) => key === name)?.[1] ?? ''
}
