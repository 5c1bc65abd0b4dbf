import type { ActiveAnswer } from '../concurrency/active.js'
import type { Exchange } from '../exchange.js'
import { prepareOutbound, type OutboundRules } from '../upstream/upstream.js'
import type { Forwarder } from '../upstream/contract.js'

/** What of a request says who asks; its body and its wishes for the answer do not belong to the question. */
const CREDENTIALS: ReadonlySet<string> = new Set([
  'authorization', 'cookie', 'user-agent', 'accept-language', 'x-api-key',
])

/** Asks the backend which streams of the caller still run, with the caller's own credentials. */
export function askActive (
  { identity: { client }, id, rawHeaders }: Exchange,
  path: string,
  { forwarder, outbound }: { forwarder: Forwarder, outbound: OutboundRules }
): Promise<ActiveAnswer | undefined> {
  const { headers } = prepareOutbound({
    method: 'GET',
    target: { raw: path, path, query: '', authority: undefined },
    rawHeaders: pick(rawHeaders, (name) => CREDENTIALS.has(name) || name === 'host'),
    client,
    requestId: id,
    body: undefined,
    rules: outbound,
  })
  return forwarder.ask(path, [...headers, 'accept', 'application/json'])
}

function pick (rawHeaders: readonly string[], wanted: (name: string) => boolean): string[] {
  const picked: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (wanted(name.toLowerCase())) picked.push(name, rawHeaders[i + 1] ?? '')
  }
  return picked
}
