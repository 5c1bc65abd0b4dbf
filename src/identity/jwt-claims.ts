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

type Claims = Readonly<Record<string, unknown>>

/** @param claims of a token whose signature was verified. @returns undefined when it names nobody, or not for us, or not now. */
export function readClaims (claims: Claims, rules: JwtRules, now: number): TokenUser | undefined {
  const expiresAt = instantOf(claims, 'exp')
  if (expiresAt === undefined || expiresAt <= now || !isTimely(claims, now)) return undefined
  if (rules.issuer !== undefined && !isIssuer(own(claims, 'iss'), rules.issuer)) return undefined
  if (rules.audience.length > 0 && !isAudience(own(claims, 'aud'), rules.audience)) return undefined
  const id = readUserId(own(claims, rules.claim))
  if (id === undefined) return undefined
  const email = emailOf(claims)
  return { user: email === undefined ? { id } : { id, email }, expiresAt }
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
  return typeof said === 'string' && withoutSlash(said) === withoutSlash(expected)
}

function withoutSlash (text: string): string {
  return text.endsWith('/') ? text.slice(0, -1) : text
}

function isAudience (said: unknown, expected: readonly string[]): boolean {
  const list: readonly unknown[] = Array.isArray(said) ? said : [said]
  return list.some((one) => typeof one === 'string' && expected.includes(one))
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
