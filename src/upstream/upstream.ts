import type { Log } from '../log.js'
import type { UpstreamRules } from '../policy/contract.js'
import { createAsk } from './ask.js'
import { createConnections } from './connections.js'
import type { Forwarder } from './contract.js'
import { createDispatch } from './dispatch-forwarder.js'
import { createHttpProxy } from './http-proxy-forwarder.js'
import { parseOrigin } from './origin.js'
import { createUpgrade } from './websocket.js'

export { digestsIn, hasSeveralHosts, outboundRules, prepareOutbound } from './outbound.js'
export type { OutboundInput, OutboundRules } from './outbound.js'
export { discardRest } from './request-body.js'

export interface ForwarderDeps {
  /** Hears of observers and replies that threw. */
  readonly log: Pick<Log, 'error'>
}

/**
 * The way to the backend that the policy names. Connects when the first request comes.
 * @throws when the URL is none of `http:`, `https:`, `unix:`.
 */
export function createForwarder (rules: UpstreamRules, deps: ForwarderDeps): Forwarder {
  const origin = parseOrigin(rules.url)
  const connections = createConnections(rules, origin)
  const report = (error: unknown): void => { deps.log.error({ err: error }, 'a hook on a forwarded answer failed') }
  const parts = { connections, origin, rules, report }
  const way = rules.forwarder === 'dispatch' ? createDispatch(parts) : createHttpProxy(parts)
  return { forward: way, upgrade: createUpgrade(parts), ask: createAsk(parts), close: connections.close }
}
