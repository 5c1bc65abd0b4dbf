import { SignJWT, jwtVerify } from 'jose'
import { JWT_REFRESH_SECRET, JWT_SECRET } from '../../helpers/product.js'
import type { Account } from './world.js'

const refreshSeconds = 7 * 86_400
const tempSeconds = 5 * 60

export interface Tokens {
  /** Claims as in reference librechat.md §6. */
  access (account: Account): Promise<string>
  refresh (userId: string, sessionId: string): Promise<string>
  /** For whoever has given his password and not yet his second factor. */
  temp (userId: string): Promise<string>
  /** The claims of a token of ours; undefined for any other. */
  read (kind: 'access' | 'refresh', token: string): Promise<Record<string, unknown> | undefined>
}

export function createTokens ({ accessSeconds }: { accessSeconds: number }): Tokens {
  const keys = { access: new TextEncoder().encode(JWT_SECRET), refresh: new TextEncoder().encode(JWT_REFRESH_SECRET) }
  /** Two tokens of the same second are two tokens. */
  let serial = 0

  function sign (kind: keyof typeof keys, claims: Record<string, unknown>, seconds: number): Promise<string> {
    const now = Date.now() / 1000
    return new SignJWT({ ...claims, iat: now, n: serial++ })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setExpirationTime(Math.floor(now) + seconds)
      .sign(keys[kind])
  }

  return {
    access: ({ id, username, provider, email }) => sign('access', { id, username, provider, email }, accessSeconds),
    refresh: (id, sessionId) => sign('refresh', { id, sessionId }, refreshSeconds),
    temp: (userId) => sign('access', { userId, twoFAPending: true }, tempSeconds),
    read: (kind, token) => jwtVerify(token, keys[kind], { algorithms: ['HS256'] })
      .then(({ payload }) => payload, () => undefined),
  }
}
