import type { IncomingMessage } from 'node:http'
import type { Exchange } from '../exchange.js'
import { identityRequest } from './admit.js'
import { readBody, type ReadFailure } from './read-body.js'
import type { Runtime } from './runtime.js'

/** Reads the body that the plan's checks wait for, and completes the identity with what it says. */
export async function prepareBody (
  request: IncomingMessage, exchange: Exchange, { identifier, access }: Runtime
): Promise<ReadFailure | undefined> {
  const body = await readBody(request, { maxBytes: exchange.policy.maxInspectedBody })
  if (typeof body === 'string') return body
  exchange.body = body
  exchange.json = parseJson(body)
  if (!identifier.readsBody) return undefined
  const asked = identityRequest(request, exchange.target, exchange)
  exchange.identity = identifier.identifyBody(asked, exchange.identity, exchange.json)
  exchange.exempt = access.isExempt(exchange.identity)
  return undefined
}

export function parseJson (body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}
