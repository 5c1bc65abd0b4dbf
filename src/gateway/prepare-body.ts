import type { IncomingMessage } from 'node:http'
import type { Exchange } from '../exchange.js'
import type { Identifier } from '../identity/contract.js'
import { parseJson } from '../parse-json.js'
import { identityRequest } from './admit.js'
import { readBody, type ReadFailure } from './read-body.js'
import type { Runtime } from './runtime.js'

/** Lists and maps in one body; a chat message has a few, with quotes and files perhaps hundreds. */
const MOST_BRACKETS = 20_000
const OPEN_LIST = 0x5b
const OPEN_MAP = 0x7b

/** Reads the body that the plan's checks wait for, and completes the identity with what it says. */
export async function prepareBody (
  request: IncomingMessage, exchange: Exchange, { identifier, access }: Runtime
): Promise<ReadFailure | undefined> {
  if (!isWanted(exchange, identifier)) return undefined
  const body = await readBody(request, { maxBytes: exchange.plan.bodyLimit })
  if (typeof body === 'string') return body
  exchange.body = body
  exchange.json = parseBody(body)
  if (!identifier.readsBody) return undefined
  const asked = identityRequest(request, exchange.target, exchange)
  exchange.identity = identifier.identifyBody(asked, exchange.identity, exchange.json)
  exchange.exempt = access.isExempt(exchange.identity)
  return undefined
}

/** What only tells one message of a user from another need not be read of nobody. */
function isWanted ({ identity, plan }: Exchange, { readsBody }: Identifier): boolean {
  return readsBody || plan.accounts.length > 0 || identity.user !== undefined
}

/** Undefined: no JSON, or so many lists and maps that taking them apart would cost a multiple of their size. */
export function parseBody (body: Buffer): unknown {
  return hasTooManyBrackets(body) ? undefined : parseJson(body.toString())
}

/** Brackets within texts count too: an honest body stays far below either way. */
function hasTooManyBrackets (body: Buffer): boolean {
  let brackets = 0
  for (const byte of body) {
    if ((byte === OPEN_LIST || byte === OPEN_MAP) && ++brackets > MOST_BRACKETS) return true
  }
  return false
}
