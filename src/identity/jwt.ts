import { createHmac, createSecretKey, hash, timingSafeEqual, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import type { JwtRules, VerifiedUser } from './contract.js'
import { discoveryFault } from './discovery.js'
import { createClaimsReader, type ClaimsReader, type TokenUser } from './jwt-claims.js'
import { decodeObject, parseToken, type TokenText } from './jwt-text.js'
import type { Fetch } from './fetch-json.js'
import { createKeySet } from './key-set.js'

const TOKENS_KEPT = 20_000
/** A key that its issuer withdrew must not live on in remembered tokens. */
const MAX_KEPT_MS = 10 * 60_000
const HASHES: Readonly<Record<string, string | undefined>> = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }

export interface JwtOptions {
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'warn'>
  readonly fetch: Fetch | undefined
}

/** The user whom a token names; undefined: nobody. Synchronous for secrets and for tokens seen before. Never throws, never rejects. */
export type TokenVerifier = (token: string) => VerifiedUser | undefined | Promise<VerifiedUser | undefined>

/** @throws TypeError for rules with which a public key could pass for a secret, or with nothing to verify by. */
export function createTokenVerifier (rules: JwtRules, options: JwtOptions): TokenVerifier {
  const fault = jwtFault(rules)
  if (fault !== undefined) throw new TypeError(fault)
  return rules.secret === undefined ? byKeySet(rules, options) : bySecret(rules, rules.secret, options.clock)
}

/** What is wrong with the rules, for whoever wrote them; undefined: nothing. */
export function jwtFault ({ algorithms, secret, jwks, discovery, issuer, qualified }: JwtRules): string | undefined {
  const symmetric = algorithms.filter((name) => HASHES[name] !== undefined).length
  const means = [secret, jwks, discovery].filter((one) => one !== undefined)
  if (means.length !== 1) return 'a JWT needs either a secret, a key set or discovery'
  if (algorithms.length === 0) return 'a JWT needs at least one pinned algorithm'
  if (qualified && issuer === undefined) return 'qualified needs an issuer'
  if (secret === undefined && symmetric > 0) return 'a key set cannot verify HS* tokens'
  if (discovery !== undefined) return discoveryFault(discovery)
  if (jwks !== undefined) return urlFault(jwks)
  if (symmetric < algorithms.length) return 'a secret can only verify HS* tokens'
  if (secret === '') return 'the secret is empty'
  return /-----BEGIN [A-Z ]*(?:PUBLIC KEY|CERTIFICATE)-----/.test(secret ?? '')
    ? 'the secret is a public key: anybody could sign with it'
    : undefined
}

function urlFault (text: string): string | undefined {
  const url = URL.parse(text)
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? undefined : 'the key set needs an http(s) URL'
}

/** By node's own hash, which costs a twentieth of a general library. */
function bySecret (rules: JwtRules, secret: string, clock: Clock): TokenVerifier {
  const key = createSecretKey(secret, 'utf8')
  const readClaims = createClaimsReader(rules)
  const seen = new LRUCache<string, TokenUser>({ max: TOKENS_KEPT })
  return (token) => remembered(seen, token, clock) ?? remember(seen, token, verify(token))?.user

  function verify (token: string): TokenUser | undefined {
    const text = parseToken(token, rules.algorithms)
    if (text === undefined || !isSignedWith(key, text)) return undefined
    return readPayload(text, readClaims, clock)
  }
}

function isSignedWith (key: KeyObject, { signed, signature, algorithm }: TokenText): boolean {
  const expected = createHmac(HASHES[algorithm] as string, key).update(signed).digest()
  return expected.length === signature.length && timingSafeEqual(expected, signature)
}

function byKeySet (rules: JwtRules, options: JwtOptions): TokenVerifier {
  const { clock } = options
  const keys = createKeySet({ ...options, jwks: rules.jwks, discovery: rules.discovery })
  const readClaims = createClaimsReader(rules)
  const seen = new LRUCache<string, TokenUser>({ max: TOKENS_KEPT })
  return (token) => {
    const known = remembered(seen, token, clock)
    if (known !== undefined) return known
    const text = parseToken(token, rules.algorithms)
    if (text === undefined) return undefined
    // Claims first: they are cheap, and what they refuse needs no key.
    const user = readPayload(text, readClaims, clock)
    return user === undefined ? undefined : confirmed(token, text, user)
  }

  async function confirmed (token: string, text: TokenText, said: TokenUser): Promise<VerifiedUser | undefined> {
    const compact = `${text.signed}.${text.signature.toString('base64url')}`
    if (!(await keys.verify(compact, text.algorithm))) return undefined
    return remember(seen, token, { ...said, expiresAt: Math.min(said.expiresAt, clock() + MAX_KEPT_MS) })?.user
  }
}

function readPayload (text: TokenText, readClaims: ClaimsReader, clock: Clock): TokenUser | undefined {
  const claims = decodeObject(text.payload)
  return claims === undefined ? undefined : readClaims(claims, clock())
}

function remembered (seen: LRUCache<string, TokenUser>, token: string, clock: Clock): VerifiedUser | undefined {
  const key = digestOf(token)
  const known = seen.get(key)
  if (known === undefined) return undefined
  if (known.expiresAt > clock()) return known.user
  seen.delete(key)
  return undefined
}

function remember (seen: LRUCache<string, TokenUser>, token: string, user: TokenUser | undefined) {
  if (user !== undefined) seen.set(digestOf(token), user)
  return user
}

/** Keeps tokens themselves, and the heads that they were cut from, out of the memory. */
function digestOf (token: string): string {
  return hash('sha256', token, 'base64')
}
