import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../clock.js'
import type { FaultCode } from '../errors.js'
import type { Exchange } from '../exchange.js'
import type { Identity, IdentityRequest } from '../identity/contract.js'
import type { MatchResult } from '../policy/contract.js'
import type { Plan } from '../policy/plan-contract.js'
import { parseTarget, type Target } from '../policy/target.js'
import { hasSeveralHosts } from '../upstream/upstream.js'
import type { Runtime } from './runtime.js'

/** What a client may call its own request, when a trusted proxy vouches for it. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/
/** A name or an address, with or without a port; HTTP/1.0 may leave it out. */
const HOST = /^[\w.:[\]-]{0,255}$/
const NO_ENTRIES: MatchResult = { entries: [], params: {} }

export interface AdmitOptions {
  readonly runtime: Runtime
  readonly clock: Clock
  /** The target as it stands in the request line. */
  readonly url: string
  /** A WebSocket handshake. */
  readonly upgrade: boolean
}

/** A request as an exchange, or the fault for which it cannot become one. Waits only when a key must be fetched. */
export function admit (
  request: IncomingMessage, options: AdmitOptions
): Exchange | FaultCode | Promise<Exchange | FaultCode> {
  const { runtime, url, upgrade } = options
  const method = request.method as string
  if (method === 'TRACE' || method === 'CONNECT') return 'METHOD_REFUSED'
  // Which of two would a backend believe (RFC 9112 §3.2)?
  if (hasSeveralHosts(request.rawHeaders) || !isHost(request)) return 'MALFORMED_REQUEST'
  const target = parseTarget(url)
  if (target === undefined) return 'MALFORMED_TARGET'
  const matched = isPreflight(request) ? NO_ENTRIES : runtime.table.match(method, target.path)
  if (matched === undefined) return 'MALFORMED_TARGET'
  const asked = identityRequest(request, target, matched)
  const plan = upgrade ? runtime.planner.handshakePlanOf(matched.entries) : runtime.planner.planOf(matched.entries)
  const identifier = runtime.identifier.withSources(plan.identity)
  const identity = identifier.identify(asked, identifier.clientOf(asked))
  // A banned credential could hide among many, or behind a header that comes twice.
  const make = (known: Identity) => known.ambiguous === true
    ? 'MALFORMED_REQUEST' as const
    : makeExchange(request, { ...options, target, params: matched.params, plan, identity: known })
  return identity instanceof Promise ? identity.then(make) : make(identity)
}

/** What the identity room reads of a request. */
export function identityRequest (request: IncomingMessage, target: Target, { params }: Pick<MatchResult, 'params'>): IdentityRequest {
  return {
    peer: request.socket.remoteAddress ?? '',
    encrypted: false,
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    query: target.query,
    params,
  }
}

interface Known extends AdmitOptions {
  readonly target: Target
  readonly params: MatchResult['params']
  readonly plan: Plan
  readonly identity: Identity
}

function makeExchange (request: IncomingMessage, known: Known): Exchange {
  const { runtime, clock, upgrade, target, params, plan, identity } = known
  return {
    id: requestId(request, identity),
    receivedAt: clock(),
    method: request.method as string,
    target,
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    upgrade,
    connection: request.socket,
    policy: runtime.policy,
    plan,
    identity,
    exempt: runtime.access.isExempt(identity),
    params,
    body: undefined,
    json: undefined,
    form: undefined,
    fields: undefined,
    model: '',
    decision: undefined,
    observed: [],
    isTrigger: true,
    change: undefined,
  }
}

function isHost ({ headers, httpVersionMinor }: IncomingMessage): boolean {
  return headers.host === undefined ? httpVersionMinor === 0 : HOST.test(headers.host)
}

function requestId (request: IncomingMessage, identity: Identity): string {
  if (identity.client.fromTrustedProxy) {
    const given = request.headers['x-request-id']
    if (typeof given === 'string' && REQUEST_ID.test(given)) return given
  }
  return randomUUID()
}

/** A browser asks leave before a cross-origin request: it cannot send credentials with it, and did nothing yet. */
function isPreflight ({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}
