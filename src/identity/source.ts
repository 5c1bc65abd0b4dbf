import { createAddressMatcher } from './address-matcher.js'
import { aliasFault, createAlias, type Alias, type AliasBook } from './aliases.js'
import { createKeyReader, type KnownKeys } from './api-keys.js'
import type { IdentityRequest, IdentitySource, VerifiedUser } from './contract.js'
import { groupPlacesOf, type GroupPlaces } from './group-places.js'
import { createTokenVerifier, jwtFault, type JwtOptions, type TokenVerifier } from './jwt.js'
import { isBodyPlace, isHeadPlace, type BodyPlace, type HeadPlace } from './places.js'
import { createSecretMatcher, type SecretMatcher } from './secret-header.js'
import { readUserId } from './user-id.js'

export interface SourceOptions extends JwtOptions {
  readonly keys: KnownKeys
  readonly aliases: AliasBook
}

export type Found = VerifiedUser | undefined

/** A source of the policy, ready to run. */
export interface Source {
  readonly head: readonly HeadPlace[]
  readonly body: readonly BodyPlace[]
  readonly group: GroupPlaces
  /** False: this request's word does not count here, whatever it says. */
  believes (request: IdentityRequest): boolean
  /** Without it a request is refused, whatever it says; undefined: it is only not believed here. */
  readonly secret: SecretMatcher | undefined
  /** The user whom a credential of a believed request names. Never throws, never rejects. */
  verify (credential: unknown): Found | Promise<Found>
  /** Several different credentials contradict each other: the header is one that only a proxy may write. */
  readonly singular: boolean
  /** True when its credentials are API keys. */
  readonly takesKeys: boolean
  /** The id that a text has as an API key; undefined when it is none. */
  keyIdOf (text: string): string | undefined
  /** The other name of whom the source names. */
  readonly alias: Alias | undefined
}

/** @throws TypeError for a source that could never be verified safely; `sourceFault` says beforehand. */
export function createSource (source: IdentitySource, options: SourceOptions): Source {
  const fault = sourceFault(source)
  if (fault !== undefined) throw new TypeError(fault)
  const places = {
    head: source.from.filter(isHeadPlace),
    body: source.from.filter(isBodyPlace),
    group: groupPlacesOf(source.group),
  }
  const issuer = source.jwt?.issuer
  const alias = source.alias === undefined ? undefined : createAlias(source.alias, { ...options, issuer })
  return { ...places, ...meansOf(source, options), alias }
}

/** What is wrong with a source, for whoever wrote it; undefined: nothing. Addresses and patterns are looked at elsewhere. */
export function sourceFault (source: IdentitySource): string | undefined {
  const { from, jwt, apiKey, secretHeader, trustedPeers, guest, alias } = source
  const inBody = from.some(isBodyPlace)
  const means = [jwt, apiKey, secretHeader, trustedPeers].filter((one) => one !== undefined)
  const atAddress = from.filter((place) => place.in === 'address').length
  if (guest) return means.length === 0 && atAddress === 1 && from.length === 1 ? undefined : 'a guest comes from: address, and nothing else'
  if (atAddress > 0) return 'an address names guests only: guest: true'
  if (means.length !== 1) return 'a source needs exactly one of jwt, apiKey, trustedPeers, secretHeader'
  if (inBody && jwt !== undefined && jwt.secret === undefined) return 'a token in the body can only be verified by a secret'
  if (inBody && apiKey !== undefined) return 'an API key cannot stand in the body'
  if (secretHeader?.value === '') return 'the secret of secretHeader is empty'
  const fault = jwt === undefined ? undefined : jwtFault(jwt)
  if (fault !== undefined || alias === undefined) return fault
  return jwt === undefined || inBody ? 'only a jwt in the head of a request has an alias' : aliasFault(alias)
}

type Means = Pick<Source, 'believes' | 'secret' | 'verify' | 'singular' | 'takesKeys' | 'keyIdOf'>

/** Everybody is heard, since the credential proves itself. */
const PROVES_ITSELF = { believes: () => true, secret: undefined, singular: false } as const
const NO_KEYS = { takesKeys: false, keyIdOf: () => undefined } as const

function meansOf ({ jwt, apiKey, secretHeader, trustedPeers }: IdentitySource, options: SourceOptions): Means {
  if (jwt !== undefined) return byToken(createTokenVerifier(jwt, options))
  if (apiKey !== undefined) return byKey(createKeyReader(apiKey.pattern), options.keys)
  const named = { verify: namedUser, singular: true, ...NO_KEYS }
  if (secretHeader === undefined) return { believes: fromPeers(trustedPeers ?? []), secret: undefined, ...named }
  const believes = createSecretMatcher(secretHeader)
  return { believes, secret: secretHeader.required ? believes : undefined, ...named }
}

function byToken (verify: TokenVerifier): Means {
  return { ...PROVES_ITSELF, ...NO_KEYS, verify: (text) => typeof text === 'string' ? verify(text) : undefined }
}

function byKey (keyIdOf: (text: string) => string | undefined, keys: KnownKeys): Means {
  const verify = (text: unknown): Found => {
    const id = typeof text === 'string' ? keyIdOf(text) : undefined
    return id !== undefined && keys.has(id) ? { id } : undefined
  }
  return { ...PROVES_ITSELF, verify, takesKeys: true, keyIdOf }
}

function namedUser (value: unknown): Found {
  const id = readUserId(value)
  return id === undefined ? undefined : { id }
}

function fromPeers (peers: readonly string[]): Source['believes'] {
  const matches = createAddressMatcher(peers)
  return ({ peer }) => matches(peer)
}
