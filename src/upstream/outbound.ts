import type { ClientAddress } from '../identity/contract.js'
import type { UpstreamRules } from '../policy/contract.js'
import type { Target } from '../policy/target.js'
import type { Outbound, OwnHeaders } from './contract.js'
import { HOP_BY_HOP, connectionNames } from './headers.js'
import { parseOrigin } from './origin.js'

/** What the policy says about request headers; made once per policy. */
export interface OutboundRules {
  readonly host: 'preserve' | 'upstream'
  /** `host[:port]` of the backend. */
  readonly upstreamHost: string
  readonly methodOverride: 'drop' | 'pass'
}

export interface OutboundInput {
  readonly method: string
  readonly target: Target
  readonly rawHeaders: readonly string[]
  readonly client: ClientAddress
  readonly requestId: string
  /** The body, when a check has read it, or what became of it. */
  readonly body: Buffer | undefined
  /** That body is not the client's any more but plain and of this type; undefined: it is, as it came. */
  readonly edited?: { readonly type: string | undefined } | undefined
  /** Fields of ours, names in lower case; the client's of these names are left out. */
  readonly added?: OwnHeaders | undefined
  readonly rules: OutboundRules
}

/** Digests of a body's bytes. */
const DIGESTS = ['content-md5', 'digest', 'content-digest', 'repr-digest']

/**
 * What becomes of a client's header. `vouched`: stays only when a trusted proxy brought it; `bytes`: says what the bytes
 * of the body are, as the client sent them.
 */
type Fate = 'drop' | 'vouched' | 'override' | 'host' | 'connection' | 'te' | 'length' | 'type' | 'bytes'

const FATES: ReadonlyMap<string, Fate> = new Map<string, Fate>([
  ...[...HOP_BY_HOP].map((name): [string, Fate] => [name, 'drop']),
  ['trailer', 'drop'], ['expect', 'drop'],
  ['x-forwarded-for', 'drop'], ['x-forwarded-proto', 'drop'], ['x-forwarded-host', 'drop'], ['x-request-id', 'drop'],
  ['forwarded', 'vouched'], ['x-real-ip', 'vouched'], ['cf-connecting-ip', 'vouched'], ['true-client-ip', 'vouched'],
  ['x-client-ip', 'vouched'], ['x-cluster-client-ip', 'vouched'], ['fastly-client-ip', 'vouched'],
  ['x-http-method-override', 'override'], ['x-http-method', 'override'], ['x-method-override', 'override'],
  // They make some backends serve another path than the one that was matched.
  ['x-original-url', 'override'], ['x-rewrite-url', 'override'],
  ['host', 'host'], ['connection', 'connection'], ['te', 'te'], ['content-length', 'length'],
  ['content-type', 'type'], ['content-encoding', 'bytes'], ...DIGESTS.map((name): [string, Fate] => [name, 'bytes']),
])

export function outboundRules (upstream: UpstreamRules, methodOverride: 'drop' | 'pass'): OutboundRules {
  return { host: upstream.host, upstreamHost: parseOrigin(upstream.url).authority, methodOverride }
}

/**
 * What the backend gets: the client's end-to-end headers in their order, truthful forwarding headers and one
 * Host. `TE` shrinks to `trailers`, the only coding we pass on; request trailers are not passed.
 */
export function prepareOutbound (input: OutboundInput): Outbound {
  const { rawHeaders, client, rules, body, edited, added } = input
  let headers = ['host', rules.upstreamHost]
  let host: string | undefined
  let connection: string | undefined
  let sized = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    switch (fateOf(name.toLowerCase())) {
      case 'drop': break
      case 'vouched': if (client.fromTrustedProxy) headers.push(name, value); break
      case 'override': if (rules.methodOverride === 'pass') headers.push(name, value); break
      case 'host': host ??= value; break
      case 'connection': connection = connection === undefined ? value : `${connection},${value}`; break
      case 'te': if (namesTrailers(value)) headers.push('te', 'trailers'); break
      case 'type': headers.push(name, edited?.type ?? value); break
      case 'bytes': if (edited === undefined) headers.push(name, value); break
      case 'length': sized = true; if (body === undefined) headers.push(name, value); break
      default: headers.push(name, value)
    }
  }
  headers = withoutOurs(withoutNamed(headers, connection), added)
  host = input.target.authority ?? host
  if (rules.host === 'preserve' && host !== undefined && host !== '') headers[1] = host
  if (body !== undefined && (sized || body.length > 0)) headers.push('content-length', String(body.length))
  // Only a trusted proxy knows better than the target itself which host was asked for.
  pushForwarding(headers, input, client.fromTrustedProxy ? client.host : input.target.authority ?? client.host)
  for (const [name, value] of added ?? []) headers.push(name, value)
  return { method: input.method, target: input.target.raw, headers, body }
}

/** The digests of its body that a client sends along, in lower case: of one that was edited they are left out. */
export function digestsIn (rawHeaders: readonly string[]): string[] {
  const names = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
  return DIGESTS.filter((name) => names.includes(name))
}

/** True for a request that must be refused: more than one Host field (RFC 9112 §3.2). */
export function hasSeveralHosts (rawHeaders: readonly string[]): boolean {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}

function fateOf (lower: string): Fate | undefined {
  // CGI-like backends read `X_Real_IP` as `X-Real-IP`, so it shares that one's fate.
  const name = lower.includes('_') ? lower.replaceAll('_', '-') : lower
  const fate = FATES.get(name)
  if (fate !== undefined) return name === lower || isForgery(fate) ? fate : undefined
  if (name.startsWith('x-portcullis-')) return 'drop'
  return name.startsWith('x-forwarded-') ? 'vouched' : undefined
}

/** Only fields that a client would forge are dropped under their underscore spelling. */
function isForgery (fate: Fate): boolean {
  return fate === 'drop' || fate === 'vouched' || fate === 'override'
}

function namesTrailers (value: string): boolean {
  return value.toLowerCase().split(',').some((coding) => coding.trim() === 'trailers')
}

/** Removes what the client's Connection names. Ours are added afterwards, so a client cannot name them away. */
function withoutNamed (headers: string[], connection: string | undefined): string[] {
  const named = connectionNames(connection?.toLowerCase())
  if (named === undefined) return headers
  const kept = headers.slice(0, 2)
  for (let i = 2; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    const lower = name.toLowerCase()
    if (!named.has(lower) || lower === 'content-length' || lower === 'te') kept.push(name, headers[i + 1] ?? '')
  }
  return kept
}

/** Of fields that are ours the backend gets ours alone, however the client spells his. */
function withoutOurs (headers: string[], added: OwnHeaders = []): string[] {
  if (added.length === 0) return headers
  const ours = new Set(added.map(([name]) => name))
  return headers.filter((_, i) => !ours.has((headers[i - i % 2] ?? '').toLowerCase().replaceAll('_', '-')))
}

function pushForwarding (headers: string[], { client, requestId }: OutboundInput, host: string | undefined): void {
  if (client.address !== '') headers.push('x-forwarded-for', client.address)
  headers.push('x-forwarded-proto', client.proto)
  if (host !== undefined && host !== '') headers.push('x-forwarded-host', host)
  headers.push('x-request-id', requestId)
}
