import type { IncomingMessage } from 'node:http'
import type { Exchange } from '../exchange.js'
import { identityRequest } from './admit.js'
import { readBody, type ReadFailure } from './read-body.js'
import type { Runtime } from './runtime.js'

/** Reads the body that the plan's checks wait for, and completes the identity with what it says. */
export async function prepareBody (
  request: IncomingMessage, exchange: Exchange, runtime: Runtime
): Promise<Exchange | ReadFailure> {
  const body = await readBody(request, { maxBytes: exchange.policy.maxInspectedBody })
  if (typeof body === 'string') return body
  exchange.body = body
  if (!runtime.identifier.readsBody) return exchange
  const asked = identityRequest(request, exchange.target, exchange)
  const identity = runtime.identifier.identifyBody(asked, exchange.identity, parse(body))
  return { ...exchange, identity, exempt: runtime.access.isExempt(identity) }
}

function parse (body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}
