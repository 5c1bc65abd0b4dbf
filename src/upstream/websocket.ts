import { ServerResponse, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { UpstreamRules } from '../policy/contract.js'
import { Answer } from './answer.js'
import type { Connections } from './connections.js'
import type { ForwardOptions, Forwarder, UpstreamFault } from './contract.js'
import { answerHeaders } from './headers.js'
import type { Origin } from './origin.js'
import { joinSockets } from './join-sockets.js'
import { watchAnswer, type Report, type Watch } from './watch.js'

export interface UpgradeDeps {
  readonly connections: Connections
  readonly origin: Origin
  readonly rules: UpstreamRules
  readonly report: Report
}

/** A client that asked for an upgrade and waits for the backend's word. */
interface Waiting {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  readonly options: ForwardOptions
  readonly watch: Watch
}

/** Dials the backend before the client is answered: its 101 or its refusal is what the client gets. */
export function createUpgrade (deps: UpgradeDeps): Forwarder['upgrade'] {
  return (request, socket, head, options) => {
    const watch = watchAnswer(options.observers, deps.report)
    const client: Waiting = { request, socket, head, options, watch }
    const dialled = dial(deps, options)
    let answered = false
    const answer = (then: () => void): void => {
      if (answered) return
      answered = true
      clearTimeout(dialled.timer)
      socket.off('close', onGone).off('end', onGone).off('readable', notice)
      then()
    }
    const onGone = (): void => { answer(() => { leave(client, dialled.request) }) }
    // A socket that nobody reads does not tell that its peer has gone. What does come stays in its buffer.
    const notice = (): void => { if (socket.readableLength === 0) socket.read() }
    const onFault = (fault: UpstreamFault, error: Error): void => { answer(() => { refuse(client, fault, error) }) }
    socket.on('error', ignore).on('close', onGone).on('end', onGone).on('readable', notice)
    dialled.onFault(onFault)
    dialled.request.on('response', (incoming) => {
      if (isStatus(incoming.statusCode)) answer(() => { passRefusal(deps, client, incoming) })
      else {
        incoming.destroy()
        onFault('UPSTREAM_BROKEN', new Error('the backend answered with an impossible status'))
      }
    })
    dialled.request.on('upgrade', (incoming, backend, rest) => {
      if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') {
        backend.destroy()
        onFault('UPSTREAM_BROKEN', new Error('the backend switched to another protocol'))
      } else answer(() => { switchOver(client, incoming, { backend, rest }) })
    })
    if (socket.destroyed) onGone()
    else dialled.request.end()
  }
}

interface Dialled {
  readonly request: ClientRequest
  /** Runs out when the backend takes longer to answer than the policy lets it. */
  timer: NodeJS.Timeout | undefined
  onFault (tell: (fault: UpstreamFault, error: Error) => void): void
}

function dial ({ connections, origin, rules }: UpgradeDeps, { outbound }: ForwardOptions): Dialled {
  let connected = false
  const request = httpRequest({
    method: 'GET',
    path: origin.base + outbound.target,
    headers: handshake(outbound.headers),
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

function switchOver (client: Waiting, incoming: IncomingMessage, to: { backend: Duplex, rest: Buffer }): void {
  const { socket, head, options, watch } = client
  const fields = answerHeaders(incoming.rawHeaders, {
    connection: incoming.headers.connection, own: options.ownHeaders, dropLength: true, keepTrailer: false,
  })
  fields.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
  let lines = 'HTTP/1.1 101 Switching Protocols\r\n'
  for (let i = 0; i < fields.length; i += 2) lines += `${fields[i]}: ${fields[i + 1]}\r\n`
  watch.head(101, incoming.headers)
  socket.write(`${lines}\r\n`, 'latin1')
  if (to.rest.length > 0) socket.write(to.rest)
  if (head.length > 0) to.backend.write(head)
  joinSockets(socket, to.backend, (outcome) => { watch.end(outcome) })
}

/** The backend's own answer instead of a 101: status, headers and body as they are. */
function passRefusal (deps: UpgradeDeps, client: Waiting, incoming: IncomingMessage): void {
  const { request, socket, options, watch } = client
  const response = responseOn(request, socket)
  const answer = new Answer(request, response, {
    own: options.ownHeaders,
    watch,
    report: deps.report,
    onFault: (fault, error) => { options.onFault(fault, error) },
    onGone: () => { incoming.destroy() },
  })
  const resume = (): void => { incoming.resume() }
  answer.head(incoming.statusCode ?? 502, incoming.statusMessage ?? '', incoming.headers, incoming.rawHeaders)
  incoming.on('data', (chunk: Buffer) => { if (!answer.data(chunk, resume)) incoming.pause() })
  incoming.on('end', () => { answer.end(incoming.rawTrailers) })
  incoming.on('error', (error) => { answer.fail('UPSTREAM_BROKEN', error) })
}

/** A response like those of the server, which makes none for upgrades. The connection ends with it. */
function responseOn (request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  if (socket instanceof Socket) response.assignSocket(socket)
  else socket.destroy()
  response.on('finish', () => { socket.end() })
  return response
}

function leave ({ socket, watch }: Waiting, dialled: ClientRequest): void {
  dialled.destroy()
  socket.destroy()
  watch.end('aborted')
}

function refuse ({ options, watch }: Waiting, fault: UpstreamFault, error: Error): void {
  watch.end('failed')
  options.onFault(fault, error)
}

/** What Node's own responses can carry as a final answer. */
function isStatus (status = 0): boolean {
  return status >= 200 && status <= 999
}

function ignore (): void {}
