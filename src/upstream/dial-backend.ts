import { request as httpRequest, type ClientRequest } from 'node:http'
import { Socket } from 'node:net'
import type { UpstreamRules } from '../policy/contract.js'
import type { Connections } from './connections.js'
import type { ForwardOptions, UpstreamFault } from './contract.js'
import { offerDeflateOnly } from './deflate.js'
import type { Origin } from './origin.js'

export interface DialDeps {
  readonly connections: Connections
  readonly origin: Origin
  readonly rules: UpstreamRules
}

export interface Dialled {
  readonly request: ClientRequest
  /** Runs out when the backend takes longer to answer than the policy lets it. */
  timer: NodeJS.Timeout | undefined
  onFault (tell: (fault: UpstreamFault, error: Error) => void): void
}

/** A handshake of a client's that is ready to go to the backend, on a connection of its own. */
export function dialBackend (
  { connections, origin, rules }: DialDeps, { outbound, inspection }: ForwardOptions
): Dialled {
  let connected = false
  const headers = handshake(outbound.headers)
  const request = httpRequest({
    method: 'GET',
    path: origin.base + outbound.target,
    headers: inspection === undefined ? headers : offerDeflateOnly(headers),
    createConnection: (_, callback) => {
      connections.dial((error, socket) => {
        connected = error === null
        if (error !== null) callback(error, new Socket())
        else callback(null, socket)
      })
      return undefined
    },
  })
  const dialled: Dialled = {
    request,
    timer: undefined,
    onFault (tell) {
      request.on('error', (error) => { tell(connected ? 'UPSTREAM_BROKEN' : 'UPSTREAM_UNREACHABLE', error) })
      if (rules.responseTimeoutMs === 0) return
      dialled.timer = setTimeout(() => {
        tell('UPSTREAM_TIMEOUT', new Error('the backend did not answer the upgrade in time'))
        request.destroy()
      }, rules.connectTimeoutMs + rules.responseTimeoutMs)
    },
  }
  return dialled
}

/** The handshake has no body; a length would let the bytes behind the head mean two things. */
function handshake (headers: readonly string[]): string[] {
  const fields: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() !== 'content-length') fields.push(headers[i] ?? '', headers[i + 1] ?? '')
  }
  fields.push('connection', 'Upgrade', 'upgrade', 'websocket')
  return fields
}
