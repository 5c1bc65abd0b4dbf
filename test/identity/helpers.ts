import { createHmac } from 'node:crypto'
import type {
  ClientAddress, ClientRules, CredentialPlace, Identity, IdentityRequest, IdentitySource, JwtRules, KeyAnswer,
} from '../../src/identity/contract.js'
import { createIdentifier, type IdentifierOptions } from '../../src/identity/identity.js'
import type { Log } from '../../src/log.js'

export const SECRET = 'a secret that only the backend and we know'
/** The instant at which tests begin. */
export const START = 1_800_000_000_000

export const bearer: CredentialPlace = { in: 'header', name: 'authorization', scheme: 'bearer' }

const rules: ClientRules = { trustedProxies: [], addressHeader: 'x-forwarded-for', ipv6Prefix: 64 }

/** A request as it comes from a socket; header fields in order, names as sent. */
export function requestWith (
  fields: readonly (readonly [string, string])[] = [], more: Partial<IdentityRequest> = {}
): IdentityRequest {
  const headers: Record<string, string> = {}
  for (const [name, value] of fields) {
    const key = name.toLowerCase()
    // As node does it: the first authorization counts, cookies and unknown fields are joined.
    if (key === 'authorization' && key in headers) continue
    headers[key] = headers[key] === undefined ? value : headers[key] + (key === 'cookie' ? '; ' : ', ') + value
  }
  return { peer: '203.0.113.9', encrypted: false, query: '', params: {}, headers, rawHeaders: fields.flat(), ...more }
}

export interface LogLine { readonly level: 'warn' | 'info', readonly text: string }

export function memoryLog (): Pick<Log, 'info' | 'warn'> & { readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const write = (level: LogLine['level']) => (facts: object, message: string) => {
    lines.push({ level, text: JSON.stringify(facts) + ' ' + message })
  }
  return { lines, warn: write('warn'), info: write('info') }
}

export function source (part: Partial<IdentitySource>): IdentitySource {
  return {
    from: [bearer],
    jwt: undefined,
    apiKey: undefined,
    trustedPeers: undefined,
    secretHeader: undefined,
    guest: false,
    group: [],
    alias: undefined,
    ...part,
  }
}

export function hmacRules (part: Partial<JwtRules> = {}): JwtRules {
  return {
    algorithms: ['HS256'],
    secret: SECRET,
    jwks: undefined,
    discovery: undefined,
    issuer: undefined,
    audience: [],
    claim: 'id',
    qualified: false,
    ...part,
  }
}

/** As the backend answers whoever brings a key that it knows. */
export const TAKEN: KeyAnswer = { method: 'POST', status: 200, contentType: 'application/json', isCertain: true }

interface SetUp extends Partial<Omit<IdentifierOptions, 'client' | 'sources'>> { readonly client?: Partial<ClientRules> }

/** An identifier with its clock and log in the test's hands. */
export function setUp (sources: readonly IdentitySource[], { client = {}, ...options }: SetUp = {}) {
  const time = { now: START }
  const log = memoryLog()
  const clock = () => time.now
  const identifier = createIdentifier({ client: { ...rules, ...client }, sources, clock, log, ...options })
  const identify = (request: IdentityRequest) => identifier.identify(request, identifier.clientOf(request))
  /** For sources that must answer at once. */
  const identifyNow = (request: IdentityRequest): Identity => {
    const identity = identify(request)
    if (identity instanceof Promise) throw new Error('the identity was not found synchronously')
    return identity
  }
  const clientOf = (request: IdentityRequest): ClientAddress => identifier.clientOf(request)
  return { identifier, identify, identifyNow, clientOf, time, log }
}

export const asJson = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

interface Signing { readonly alg?: string, readonly secret?: string | Buffer, readonly header?: object }

/** A token made by hand, so that it may also be a wrong one. `payload` as text is taken as it is. */
export function sign (payload: object | string, { alg = 'HS256', secret = SECRET, header = {} }: Signing = {}): string {
  const body = typeof payload === 'string' ? Buffer.from(payload).toString('base64url') : asJson(payload)
  const signed = `${asJson({ alg, typ: 'JWT', ...header })}.${body}`
  const hash = `sha${/\d{3}$/.exec(alg)?.[0] ?? '256'}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

export const inAnHour = START / 1000 + 3600

export function tokenOf (id: unknown, more: object = {}): string {
  return sign({ id, iat: START / 1000, exp: inAnHour, ...more })
}

export function withBearer (token: string): IdentityRequest {
  return requestWith([['Authorization', `Bearer ${token}`]])
}
