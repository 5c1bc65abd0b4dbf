import type { IncomingMessage } from 'node:http'
import type { FaultCode } from '../errors.js'
import type { Exchange } from '../exchange.js'
import type { Identifier } from '../identity/contract.js'
import { faultVerdict } from '../replies/replies.js'
import { modelOf } from '../tokens/tokens.js'
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
  const fault = await takeApart(exchange, body, identifier)
  exchange.model = modelOf(exchange, exchange.plan.tokens)
  if (fault !== undefined || !identifier.readsBody) return fault
  const asked = identityRequest(request, exchange.target, exchange)
  exchange.identity = identifier.identifyBody(asked, exchange.identity, exchange.form ?? exchange.json)
  exchange.exempt = access.isExempt(exchange.identity)
  return undefined
}

/** What only tells one message of a user from another need not be read of nobody. */
function isWanted (exchange: Exchange, { readsBody }: Identifier): boolean {
  const { identity, plan } = exchange
  return readsBody || hasPrompts(exchange) || isJudged(exchange) ||
    plan.accounts.length > 0 || identity.user !== undefined
}

/** What it says decides on what it costs, or whether it was here before. */
function isJudged ({ plan, upgrade }: Exchange): boolean {
  return (plan.when !== undefined || plan.once !== undefined) && !upgrade
}

/** Who says it does not matter. A handshake says nothing yet. */
function hasPrompts ({ plan, upgrade }: Exchange): boolean {
  return plan.inspections.length + plan.doorman.length + plan.tokens.length > 0 && !upgrade
}

/** Where what is said counts, the backend must not read it otherwise. Observe mode reads what it can. */
async function takeApart (
  exchange: Exchange, body: Buffer, { readsBody }: Identifier
): Promise<FaultCode | undefined> {
  const isSignIn = readsBody || isJudged(exchange) || exchange.plan.accounts.length > 0
  if (!isSignIn && !hasPrompts(exchange)) return readSome(exchange, body)
  const fault = await (isSignIn ? inspectSignIn(exchange, body) : inspectBody(exchange, body))
  if (fault === undefined || exchange.plan.mode === 'enforce') return fault
  exchange.observed.push(faultVerdict(fault))
  return readSome(exchange, body)
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
