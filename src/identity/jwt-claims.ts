import type { JwtRules, VerifiedUser } from './contract.js'
import { readEmail, readUserId } from './user-id.js'

/** Clocks of the issuer and ours may differ so much before `nbf` and `iat` count as lies; `exp` gets no leeway. */
const LEEWAY_MS = 60_000

/** What a token with a good signature says. */
export interface TokenUser {
  readonly user: VerifiedUser
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

export type Claims = Readonly<Record<string, unknown>>

/** Whom the claims of a token name at that instant; undefined: nobody, or not for us, or not now. */
export type ClaimsReader = (claims: Claims, now: number) => TokenUser | undefined

export function createClaimsReader ({ issuer, audience, claim, qualified }: JwtRules): ClaimsReader {
  const isAudience = audienceTest(audience)
  const expectedIssuer = issuer === undefined ? undefined : withoutSlash(issuer)
  const prefix = qualified ? `${expectedIssuer ?? ''}|` : ''
  return (claims, now) => {
    const expiresAt = instantOf(claims, 'exp')
    if (expiresAt === undefined || expiresAt <= now || !isTimely(claims, now)) return undefined
    if (expectedIssuer !== undefined && !isIssuer(own(claims, 'iss'), expectedIssuer)) return undefined
    if (!isAudience(own(claims, 'aud'))) return undefined
    const said = readUserId(own(claims, claim))
    const id = said === undefined ? undefined : readUserId(prefix + said)
    if (id === undefined) return undefined
    const email = emailOf(claims)
    return { user: email === undefined ? { id } : { id, email }, expiresAt }
  }
}

function isTimely (claims: Claims, now: number): boolean {
  return ['nbf', 'iat'].every((name) => {
    if (own(claims, name) === undefined) return true
    const at = instantOf(claims, name)
    return at !== undefined && at <= now + LEEWAY_MS
  })
}

/** A trailing slash is as good as none: providers and their users disagree about it. */
function isIssuer (said: unknown, expected: string): boolean {
  return typeof said === 'string' && withoutSlash(said) === expected
}

export function withoutSlash (text: string): string {
  return text.endsWith('/') ? text.slice(0, -1) : text
}

/** One audience of a token is enough (RFC 7519 §4.1.3). */
function audienceTest (expected: readonly string[]): (said: unknown) => boolean {
  if (expected.length === 0) return () => true
  const exact = new Set(expected.filter((one) => !one.endsWith('*')))
  const prefixes = expected.filter((one) => one.endsWith('*')).map((one) => one.slice(0, -1))
  const fits = (one: unknown) => typeof one === 'string' &&
    (exact.has(one) || prefixes.some((prefix) => one.length > prefix.length && one.startsWith(prefix)))
  return (said) => Array.isArray(said) ? said.some(fits) : fits(said)
}

/** An address that the issuer itself calls unverified would let people pass for others. */
function emailOf (claims: Claims): string | undefined {
  const verified = own(claims, 'email_verified')
  return verified === false || verified === 'false' ? undefined : readEmail(own(claims, 'email'))
}

function instantOf (claims: Claims, name: string): number | undefined {
  const seconds = own(claims, name)
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds * 1000 : undefined
}

/** Claims only: `constructor` and its kind are nobody's. */
function own (claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined
}
