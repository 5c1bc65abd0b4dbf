import type { IncomingMessage } from 'node:http'
import type { Exchange } from '../exchange.js'
import type { Identifier } from '../identity/contract.js'
import { identityRequest } from './admit.js'
import { decodeBody, parseBody, parseForm } from './parse-body.js'
import { readBody, type ReadFailure } from './read-body.js'
import type { Runtime } from './runtime.js'

const NOTHING = Buffer.alloc(0)

/** Reads the body that the plan's checks wait for, and completes the identity with what it says. */
export async function prepareBody (
  request: IncomingMessage, exchange: Exchange, { identifier: common, access }: Runtime
): Promise<ReadFailure | undefined> {
  const { headers, plan: { bodyLimit: maxBytes, identity } } = exchange
  const identifier = common.withSources(identity)
  if (!isWanted(exchange, identifier)) return undefined
  const body = await readBody(request, { maxBytes })
  if (typeof body === 'string') return body
  const decoded = decodeBody(body, { headers, maxBytes }) ?? NOTHING
  if (typeof decoded === 'string') return decoded
  exchange.body = body
  exchange.form = parseForm(decoded, headers)
  exchange.json = exchange.form === undefined ? parseBody(decoded, headers['content-type']) : undefined
  if (!identifier.readsBody) return undefined
  const asked = identityRequest(request, exchange.target, exchange)
  exchange.identity = identifier.identifyBody(asked, exchange.identity, exchange.form ?? exchange.json)
  exchange.exempt = access.isExempt(exchange.identity)
  return undefined
}

/** What only tells one message of a user from another need not be read of nobody. */
function isWanted ({ identity, plan }: Exchange, { readsBody }: Identifier): boolean {
  return readsBody || plan.accounts.length > 0 || identity.user !== undefined
}
