/** Credentials as the chat app signs them, and as an attacker would. */
import { createHmac } from 'node:crypto'
import { jwtVerify } from 'jose'
import { JWT_SECRET } from '../../helpers/product.js'

/** Injected clocks run ahead of the real one, by days in some tests. */
const LIFE_SECONDS = 30 * 86_400

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Seconds since the epoch, so many from now. */
export const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

export interface Forgery {
  readonly alg?: string
  readonly secret?: string
  /** Seconds from now; null: the token has none. */
  readonly exp?: number | null
}

/** Any claims under an HMAC, whatever the header says of it; `alg: none` goes without a signature. */
export function signed (claims: object, { alg = 'HS256', secret = JWT_SECRET, exp = LIFE_SECONDS }: Forgery = {}): string {
  const life = exp === null ? {} : { iat: inSeconds(-60), exp: inSeconds(exp) }
  const text = `${encode({ alg, typ: 'JWT' })}.${encode({ ...claims, ...life })}`
  return `${text}.${alg === 'none' ? '' : createHmac('sha256', secret).update(text).digest('base64url')}`
}

/** The access token of a user (reference librechat.md §6). */
export function accessToken (user: string): string {
  return signed({ id: user, username: user, provider: 'local', email: `${user}@example.com` })
}

/** Whom an Authorization header names, as the chat app reads it; undefined: nobody. */
export async function readBearer (header: string | undefined): Promise<string | undefined> {
  const token = header?.replace(/^Bearer /, '') ?? ''
  const secret = new TextEncoder().encode(JWT_SECRET)
  const read = await jwtVerify<{ id?: string }>(token, secret, { algorithms: ['HS256'] }).catch(() => undefined)
  return read?.payload.id
}
