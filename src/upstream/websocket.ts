import { ServerResponse, type ClientRequest, type IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Answer } from './answer.js'
import type { ForwardOptions, Forwarder, UpstreamFault } from './contract.js'
import { acceptDeflate } from './deflate.js'
import { dialBackend, type DialDeps } from './dial-backend.js'
import { pumpFrames } from './frame-pump.js'
import { answerHeaders } from './headers.js'
import { joinSockets } from './join-sockets.js'
import { watchAnswer, type Outcome, type Report, type Watch } from './watch.js'
import type { PerMessageDeflate } from './ws-parts.js'

export interface UpgradeDeps extends DialDeps {
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
    const dialled = dialBackend(deps, options)
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
      const agreed = agreedOn(incoming, options)
      if (agreed instanceof Error) {
        backend.destroy()
        onFault('UPSTREAM_BROKEN', agreed)
      } else answer(() => { switchOver(client, incoming, { backend, rest, deflate: agreed.deflate }) })
    })
    if (socket.destroyed) onGone()
    else dialled.request.end()
  }
}

interface Agreed {
  /** What undoes the client's compression, where messages are looked at; undefined: nothing is compressed. */
  readonly deflate: PerMessageDeflate | undefined
}

/** What the backend agreed to, or how it broke the rules. */
function agreedOn ({ headers }: IncomingMessage, { inspection }: ForwardOptions): Agreed | Error {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return new Error('the backend switched to another protocol')
  if (inspection === undefined) return { deflate: undefined }
  try {
    return { deflate: acceptDeflate(headers['sec-websocket-extensions'], inspection.maxBytes) }
  } catch (error) {
    return error as Error
  }
}

interface Answered extends Agreed {
  readonly backend: Duplex
  /** What followed the backend's answer at once. */
  readonly rest: Buffer
}

function switchOver (client: Waiting, incoming: IncomingMessage, { backend, rest, deflate }: Answered): void {
  const { socket, head, options: { inspection, ownHeaders: own }, watch } = client
  const fields = answerHeaders(incoming.rawHeaders, {
    connection: incoming.headers.connection, own, dropLength: true, keepTrailer: false,
  })
  fields.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
  let lines = 'HTTP/1.1 101 Switching Protocols\r\n'
  for (let i = 0; i < fields.length; i += 2) lines += `${fields[i]}: ${fields[i + 1]}\r\n`
  watch.head(101, incoming.headers)
  socket.write(`${lines}\r\n`, 'latin1')
  const onEnd = (outcome: Outcome): void => { watch.end(outcome) }
  if (inspection !== undefined) {
    if (rest.length > 0) backend.unshift(rest)
    if (head.length > 0) socket.unshift(head)
    return pumpFrames(socket, backend, { inspection, deflate, onEnd })
  }
  if (rest.length > 0) socket.write(rest)
  if (head.length > 0) backend.write(head)
  joinSockets(socket, backend, onEnd)
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
