import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { AnswerObserver, Exchange } from '../exchange.js'
import { rateHeaders } from '../limits/rate-headers.js'
import { faultVerdict } from '../replies/replies.js'
import type { ForwardOptions } from '../upstream/contract.js'
import { digestsIn, prepareOutbound } from '../upstream/upstream.js'
import { identityRequest } from './admit.js'
import type { EditedBody } from './edit-body.js'
import { createFrameLine, type FrameLine } from './frames.js'
import { refuse } from './refuse.js'
import type { Rooms } from './rooms.js'
import type { Runtime } from './runtime.js'

export interface Parties {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly handshake: { readonly socket: Socket, readonly head: Buffer } | undefined
  /** What became of the body; undefined: it goes on as it came. */
  readonly edited: EditedBody | undefined
  readonly runtime: Runtime
  readonly rooms: Rooms
  /** The runtime in force whenever it is asked. */
  readonly current: () => Runtime
}

/** Hands an admitted request to the backend, with everybody who wants to learn from its answer. */
export function forward (exchange: Exchange, parties: Parties): void {
  const { request, response, handshake, edited, runtime, rooms } = parties
  if (edited !== undefined) tellDigests(exchange, rooms)
  const line = handshake !== undefined && exchange.plan.frames ? createFrameLine(exchange, parties) : undefined
  const options: ForwardOptions = {
    outbound: prepareOutbound({
      method: exchange.method,
      target: exchange.target,
      rawHeaders: exchange.rawHeaders,
      client: exchange.identity.client,
      requestId: exchange.id,
      body: edited?.bytes ?? exchange.body,
      edited,
      added: exchange.change?.headers,
      rules: runtime.outbound,
    }),
    ownHeaders: [['X-Request-Id', exchange.id], ...rateHeaders(exchange.decision)],
    observers: observersOf(exchange, parties, line),
    inspection: line?.inspection,
    onFault: (fault, error) => { answerFault(exchange, parties, { fault, error }) },
  }
  if (handshake === undefined) runtime.forwarder.forward(request, response, options)
  else {
    // From here the socket is the forwarder's; a fault gives it back.
    response.detachSocket(request.socket)
    runtime.forwarder.upgrade(request, handshake.socket, handshake.head, options)
  }
}

/** Who checks them would find them wrong; who demands them will miss them. */
function tellDigests ({ id, rawHeaders }: Exchange, rooms: Rooms): void {
  const digests = digestsIn(rawHeaders)
  if (digests.length > 0) rooms.log.warn({ requestId: id, digests }, 'the body was edited: the digests of the old one are left out')
}

function observersOf (exchange: Exchange, parties: Parties, line: FrameLine | undefined): AnswerObserver[] {
  const observers: AnswerObserver[] = [bookkeeper(exchange, parties, line)]
  for (const observe of exchange.plan.observers) {
    const observer = observe(exchange)
    if (observer !== undefined) observers.push(observer)
  }
  return observers
}

/** Keeps the list of what is open, counts it, and lets the identity room know which keys the backend accepts. */
function bookkeeper (
  exchange: Exchange, { request, runtime, rooms }: Parties, line: FrameLine | undefined
): AnswerObserver {
  const open = rooms.open.add(exchange, line?.close ?? (() => { request.socket.destroy() }))
  return {
    onHead: (status: number, headers: IncomingHttpHeaders) => {
      if (status >= 200 && status < 300) {
        const { method, target, plan } = exchange
        // What counts on a route alone was looked at by the backend only if it can have read no other route.
        const isCertain = plan.identity.length === 0 || runtime.table.isCertain(method, target.path)
        const answer = { method, status, contentType: headers['content-type'], isCertain }
        runtime.identifier.withSources(plan.identity).confirm(identityRequest(request, target, exchange), answer)
      }
      return { body: false }
    },
    onEnd: () => {
      rooms.open.remove(open)
      rooms.metrics.request(
        { route: exchange.plan.label, verdict: 'forwarded', mode: exchange.plan.mode }, rooms.clock() - exchange.receivedAt)
    },
  }
}

function answerFault (
  exchange: Exchange, { request, response, handshake, rooms }: Parties, { fault, error }: { fault: Parameters<ForwardOptions['onFault']>[0], error: Error }
): void {
  rooms.metrics.upstreamFault(fault)
  rooms.log.warn({ requestId: exchange.id, code: fault, reason: error.message }, 'the backend gave no answer')
  if (handshake !== undefined) {
    if (request.socket.destroyed) return
    response.assignSocket(request.socket)
  }
  refuse(exchange, faultVerdict(fault), { request, response }).catch((failure: unknown) => {
    rooms.log.error({ err: failure, requestId: exchange.id }, 'a fault could not be answered')
    response.destroy()
  })
}
