import { SignJWT, jwtVerify } from 'jose'
import type { Clock } from '../clock.js'
import type { User } from './users.js'

const accessLifeSeconds = 15 * 60
const refreshLifeSeconds = 7 * 24 * 60 * 60

export interface Tokens {
  /** A 15 minute access token with the claims that LibreChat puts into its own. */
  signAccess (user: User): Promise<string>
  /** A 7 day token for the refresh cookie. */
  signRefresh (userId: string, sessionId: string): Promise<string>
  /** The user's id, or undefined for anything that is not a valid access token. */
  verifyAccess (token: string): Promise<string | undefined>
  verifyRefresh (token: string): Promise<Session | undefined>
}

export interface Session { readonly userId: string, readonly sessionId: string }

export interface TokenOptions { readonly jwtSecret: string, readonly refreshSecret: string, readonly clock: Clock }

/** HS256 tokens under two separate secrets, so that a refresh token is never an access token. */
export function createTokens ({ jwtSecret, refreshSecret, clock }: TokenOptions): Tokens {
  const accessKey = new TextEncoder().encode(jwtSecret)
  const refreshKey = new TextEncoder().encode(refreshSecret)

  function sign (claims: Record<string, unknown>, key: Uint8Array, lifeSeconds: number): Promise<string> {
    const issuedAt = Math.floor(clock() / 1000)
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + lifeSeconds)
      .sign(key)
  }

  async function claimsOf (token: string, key: Uint8Array): Promise<Record<string, unknown> | undefined> {
    const options = { algorithms: ['HS256'], requiredClaims: ['exp'], currentDate: new Date(clock()) }
    return jwtVerify(token, key, options).then(({ payload }) => payload, () => undefined)
  }

  return {
    signAccess: ({ id, username, provider, email }) =>
      sign({ id, username, provider, email }, accessKey, accessLifeSeconds),
    signRefresh: (userId, sessionId) => sign({ id: userId, sessionId }, refreshKey, refreshLifeSeconds),
    async verifyAccess (token) {
      const claims = await claimsOf(token, accessKey)
      return typeof claims?.['id'] === 'string' ? claims['id'] : undefined
    },
    async verifyRefresh (token) {
      const { id, sessionId } = await claimsOf(token, refreshKey) ?? {}
      return typeof id === 'string' && typeof sessionId === 'string' ? { userId: id, sessionId } : undefined
    },
  }
}

/** The refresh cookie as a `Set-Cookie` value; an empty token expires it. */
export function refreshCookie (token: string): string {
  const life = token === '' ? 0 : refreshLifeSeconds
  return `refreshToken=${token}; Max-Age=${life}; Path=/; HttpOnly; SameSite=Strict`
}
