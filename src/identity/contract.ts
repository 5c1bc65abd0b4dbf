import type { Conditions } from '../conditions/contract.js'

/**
 * Who calls, as far as it is verified. Immutable for one request.
 * Subjects are strings: `user:<id>`, `ip:<address>` or `ip:<network>/<prefix>`, `global`.
 */

const USER = 'user:'

export interface ClientAddress {
  /** Full, unmasked address in canonical text: no port, no zone, `::ffff:` unmapped. Sent to the backend. */
  readonly address: string
  /** `ip:` subject: the address itself for IPv4, the network of the policy's prefix for IPv6 (`ip:2001:db8::/64`). */
  readonly subject: string
  /**
   * False when a violation must not ban this address: the peer is private, loopback or link-local, not
   * trusted, and sent a forwarding header, so that it is probably a proxy nobody told us about.
   */
  readonly bannable: boolean
  /** True when the socket's peer is one of the trusted proxies. */
  readonly fromTrustedProxy: boolean
  /** Scheme and host that the client used, as a trusted proxy or the request itself says. */
  readonly proto: 'http' | 'https'
  readonly host: string | undefined
}

export interface VerifiedUser {
  readonly id: string
  /** From a verified claim only; lower case. */
  readonly email?: string
  /** Nobody signed in: whoever comes from one address, where the policy counts guests. Stands alone in `Identity.users`. */
  readonly guest?: true
  /** The id of the other name that the same person has, which stands in `Identity.users` by itself too. */
  readonly alias?: string
}

export interface Identity {
  readonly client: ClientAddress
  /** The user of the first credential that verified. */
  readonly user: VerifiedUser | undefined
  /** Users of every credential that verified, the first included; a ban of any refuses the request. */
  readonly users: readonly VerifiedUser[]
  readonly group: string | undefined
  /**
   * Nobody is verified, but a bearer token was brought: it has expired, it cannot be verified just now, or it is none.
   * The backend answers it 401; it is no guest's.
   */
  readonly unverified?: true
  /**
   * The request carries more credentials than can be verified, or a trusted identity header several times with
   * different values: nobody can say whom the backend will believe. It names no user, so that a banned one must
   * not get through with it: answered 400 `MALFORMED_REQUEST` before anything else.
   */
  readonly ambiguous?: true
}

/** What a request can be counted by. */
export type SubjectKind = 'ip' | 'user' | 'group' | 'global'

/** The request's subject of that kind; undefined when it has none: no verified user, no group. */
export function subjectOf (kind: SubjectKind, { client, user, group }: Identity): string | undefined {
  switch (kind) {
    case 'ip': return client.subject
    case 'user': return user === undefined ? undefined : userSubject(user.id)
    case 'group': return group === undefined ? undefined : `group:${group}`
    case 'global': return 'global'
  }
}

/** `user:<id>` if verified, else the address. */
export function violationSubject (identity: Identity): string {
  return identity.user === undefined ? identity.client.subject : userSubject(identity.user.id)
}

export function userSubject (id: string): string {
  return USER + id
}

export function isUserSubject (subject: string): boolean {
  return subject.startsWith(USER)
}

/** The id in a user's subject; undefined for any other subject. */
export function userIdOf (subject: string): string | undefined {
  return isUserSubject(subject) ? subject.slice(USER.length) : undefined
}

/** How the client's address is found. */
export interface ClientRules {
  /** Number of hops, or networks (`loopback`, `private`, CIDRs, addresses); empty: the socket address counts. */
  readonly trustedProxies: number | readonly string[]
  readonly addressHeader: 'x-forwarded-for' | 'forwarded' | 'cf-connecting-ip' | 'true-client-ip' | 'x-real-ip'
  /** Prefix length that IPv6 addresses are masked to, 1–128. */
  readonly ipv6Prefix: number
}

/**
 * Where a credential stands in a request. `path` names a route parameter, `body` is a JSON pointer, `address` is the
 * client's own (guests only).
 */
export type CredentialPlace =
  | { readonly in: 'header', readonly name: string, readonly scheme: 'bearer' | undefined }
  | { readonly in: 'cookie' | 'query' | 'path', readonly name: string }
  | { readonly in: 'body', readonly pointer: readonly string[] }
  | { readonly in: 'address' }

export type JwtAlgorithm =
  | 'HS256' | 'HS384' | 'HS512' | 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA'

export interface JwtRules {
  /** Pinned; either all HS* (with `secret`) or none (with `jwks` or `discovery`). */
  readonly algorithms: readonly JwtAlgorithm[]
  /** Exactly one of these three is set. */
  readonly secret: string | undefined
  readonly jwks: string | undefined
  /** The issuer, whose discovery document names its key set. */
  readonly discovery: string | undefined
  readonly issuer: string | undefined
  /** Any of them; empty: not looked at. One that ends in `*` stands for all that go on with at least one character. */
  readonly audience: readonly string[]
  /** Claim that holds the user's id: a non-empty string or a number, else the token names nobody. */
  readonly claim: string
  /** The user's id is `<issuer>|<claim>`, the issuer without a trailing slash. */
  readonly qualified: boolean
}

/** A place of a group; no group stands there in bodies for which a condition holds. */
export type GroupPlace = CredentialPlace & { readonly unless?: Conditions | undefined }

export interface SecretHeader {
  readonly name: string
  readonly value: string
  /** Without it a request is refused, whatever it says. */
  readonly required: boolean
}

/** Places to look for a credential, and the one way in which it is verified. */
export interface IdentitySource {
  readonly from: readonly CredentialPlace[]
  readonly jwt: JwtRules | undefined
  /** Opaque key: the user is its SHA-256 (`key:<hex>`), once the backend has answered a request that carried it with 2xx. */
  readonly apiKey: { readonly pattern: string | undefined } | undefined
  /** A header that counts only from these peers (CIDRs): its value is the user's id. */
  readonly trustedPeers: readonly string[] | undefined
  /** A body that is believed only with this secret in a header, compared timing-safe. */
  readonly secretHeader: SecretHeader | undefined
  /** Whoever is nobody else is the guest of his address. */
  readonly guest: boolean
  /** Where the group stands, for bodies. */
  readonly group: readonly GroupPlace[]
  /** Another name of the same person, which stands in the same request. */
  readonly alias: AliasRules | undefined
}

/**
 * The user's own name in the backend's database, beside a token of the provider's. Where both verify, the user is called
 * by the alias; the first one that comes with a token's user stays his, whatever comes later.
 */
export interface AliasRules {
  /** In the head of a request. */
  readonly from: readonly CredentialPlace[]
  /** By a secret, so that it is verified at once. */
  readonly jwt: JwtRules
}

/** What the identity room reads of a request. */
export interface IdentityRequest {
  /** Socket address of the peer; empty for a unix socket. */
  readonly peer: string
  /** Whether the public listener itself speaks TLS (it does not today). */
  readonly encrypted: boolean
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** To see header fields that came several times one by one. */
  readonly rawHeaders: readonly string[]
  /** Query as sent, without `?`. */
  readonly query: string
  readonly params: Readonly<Record<string, string | undefined>>
}

/** How the backend answered a request, for what may be learnt from it. */
export interface KeyAnswer {
  readonly method: string
  readonly status: number
  /** As the answer has it. */
  readonly contentType: string | undefined
  /** Every reading of the target leads to where these credentials count. */
  readonly isCertain: boolean
}

export interface Identifier {
  /** Never throws: what cannot be read falls back to the socket's address. */
  clientOf (request: IdentityRequest): ClientAddress
  /** Verifies every credential of the head; synchronous unless a key must be fetched. Never rejects: what does not verify is anonymous. */
  identify (request: IdentityRequest, client: ClientAddress): Identity | Promise<Identity>
  /** Whether a request has every secret without which it is not heard; undefined: none is asked for. */
  readonly proves: ((request: Pick<IdentityRequest, 'rawHeaders'>) => boolean) | undefined
  /** True when some source stands in the body, so that the body must be read first. */
  readonly readsBody: boolean
  /** The identity with what the body says added. `body` is the parsed JSON. */
  identifyBody (request: IdentityRequest, head: Identity, body: unknown): Identity
  /** The API key of the request is known from now on, if the answer shows that the backend took it. */
  confirm (request: IdentityRequest, answer: KeyAnswer): void
  /**
   * The identifier for a route with credentials of its own, which name the user before any other; itself for none. Made
   * once for a list (by reference). What was fetched and verified is shared by all of them.
   */
  withSources (own: readonly IdentitySource[]): Identifier
}
