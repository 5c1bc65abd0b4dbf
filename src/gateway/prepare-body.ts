import type { IncomingMessage } from 'node:http'
import type { FaultCode } from '../errors.js'
import type { Exchange } from '../exchange.js'
import type { Identifier } from '../identity/contract.js'
import { faultVerdict } from '../replies/replies.js'
import { identityRequest } from './admit.js'
import { inspectBody, inspectSignIn } from './inspect-body.js'
import { decodeBody, parseBody, parseForm } from './parse-body.js'
import { readBody } from './read-body.js'
import type { Runtime } from './runtime.js'

const NOTHING = Buffer.alloc(0)

/** Reads the body that the plan's checks wait for, and completes the identity with what it says. */
export async function prepareBody (
  request: IncomingMessage, exchange: Exchange, { identifier: common, access }: Runtime
): Promise<FaultCode | undefined> {
  const { plan: { bodyLimit, identity } } = exchange
  const identifier = common.withSources(identity)
  if (!isWanted(exchange, identifier)) return undefined
  const body = await readBody(request, { maxBytes: bodyLimit })
  if (typeof body === 'string') return body
  exchange.body = body
  const fault = await takeApart(exchange, body)
  if (fault !== undefined || !identifier.readsBody) return fault
  const asked = identityRequest(request, exchange.target, exchange)
  const known = identifier.identifyBody(asked, exchange.identity, exchange.form ?? exchange.json)
  // Whom would the backend believe? What the head says stays in force where nothing is refused.
  if (known.ambiguous === true) return refused(exchange, 'MALFORMED_REQUEST')
  exchange.identity = known
  exchange.exempt = access.isExempt(known)
  return undefined
}

/** What only tells one message of a user from another need not be read of nobody. A handshake says nothing yet. */
function isWanted ({ plan: { reading }, identity, upgrade }: Exchange, { readsBody }: Identifier): boolean {
  switch (reading) {
    case 'none': return false
    case 'loose': return identity.user !== undefined
    case 'strict': case 'sign-in': return readsBody || !upgrade
  }
}

/** Where what is said counts, the backend must not read it otherwise. Observe mode reads what it can. */
async function takeApart (exchange: Exchange, body: Buffer): Promise<FaultCode | undefined> {
  const { reading } = exchange.plan
  if (reading === 'loose') return readSome(exchange, body)
  const fault = await (reading === 'sign-in' ? inspectSignIn(exchange, body) : inspectBody(exchange, body))
  if (fault === undefined || refused(exchange, fault) !== undefined) return fault
  return readSome(exchange, body)
}

/** Undefined: it is only observed. */
function refused ({ plan, observed }: Exchange, fault: FaultCode): FaultCode | undefined {
  if (plan.mode === 'enforce') return fault
  observed.push(faultVerdict(fault))
  return undefined
}

/** Reads a body of which a few members are wanted, to tell one message from another. */
function readSome (exchange: Exchange, body: Buffer): FaultCode | undefined {
  const { headers, plan: { bodyLimit: maxBytes } } = exchange
  const decoded = decodeBody(body, { headers, maxBytes }) ?? NOTHING
  if (typeof decoded === 'string') return decoded
  exchange.form = parseForm(decoded, headers)
  exchange.json = exchange.form === undefined ? parseBody(decoded, headers['content-type']) : undefined
  return undefined
}
