import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FaultCode } from '../errors.js'
import type { Exchange } from '../exchange.js'
import { faultVerdict } from '../replies/replies.js'
import type { Verdict } from '../verdict/verdict.js'
import { admit } from './admit.js'
import { editBody, wantsEdits, type EditedBody } from './edit-body.js'
import { forward } from './forward.js'
import { runChecks } from './guard.js'
import type { RawRequest } from './listener.js'
import { prepareBody } from './prepare-body.js'
import { refuse, refuseUnread } from './refuse.js'
import type { Rooms } from './rooms.js'
import type { Runtime } from './runtime.js'

/** Route label of requests that were answered before they were matched. */
const UNREAD = 'unread'
/** How metrics name the end of requests whose clients did not wait for it. */
const GONE = 'gone'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set once the request is admitted to the checks. */
    exchange: Exchange | null
    /** The runtime that was in force when the request came. */
    runtime: Runtime | null
  }
}

/** One request's turn in the gateway. */
export interface Turn {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly done: () => void
  /** The runtime in force now; the request keeps the one that it began with. */
  readonly runtime: Runtime
  readonly rooms: Rooms
  /** The runtime in force whenever it is asked: messages of a WebSocket are checked by the latest. */
  readonly current: () => Runtime
}

/** Before a byte of the body: who is it, what applies, is there anything against it. */
export function guardHead (turn: Turn): void {
  const { request, runtime, rooms } = turn
  const raw = request.raw as RawRequest
  const url = raw.url = raw.originalUrl ?? raw.url ?? ''
  request.runtime = runtime
  const admitted = admit(raw, { runtime, clock: rooms.clock, url, upgrade: raw.handshake !== undefined })
  if (admitted instanceof Promise) later(turn, admitted, (known) => guardAdmitted(turn, known))
  else guardAdmitted(turn, admitted)
}

function guardAdmitted (turn: Turn, admitted: Exchange | FaultCode): void {
  if (typeof admitted === 'string') return rejectUnread(turn, admitted)
  turn.request.exchange = admitted
  settle(turn, runChecks(admitted.plan.headChecks, admitted))
}

/** Checks that want to see the body, once it is there. */
export function guardBody (turn: Turn): void {
  const exchange = turn.request.exchange as Exchange
  if (hasLeft(turn)) return abandon(turn)
  if (exchange.plan.bodyChecks.length === 0) return turn.done()
  later(turn, prepareBody(turn.request.raw, exchange, turn.request.runtime as Runtime), (failure) => {
    if (failure !== undefined) reject(turn, faultVerdict(failure))
    else settle(turn, runChecks(exchange.plan.bodyChecks, exchange))
  })
}

function settle (turn: Turn, verdict: Verdict | undefined | Promise<Verdict | undefined>): void {
  if (verdict === undefined) return turn.done()
  if (verdict instanceof Promise) later(turn, verdict, (late) => settle(turn, late))
  else reject(turn, verdict)
}

/** The end for a request that something is against: it never reaches the backend. */
function reject (turn: Turn, verdict: Verdict): void {
  const { request, reply, rooms } = turn
  const exchange = request.exchange as Exchange
  rooms.metrics.request({ route: exchange.plan.label, verdict: verdict.kind, mode: exchange.plan.mode },
    rooms.clock() - exchange.receivedAt)
  rooms.refusals.refused(exchange, verdict)
  const { held } = request.runtime as Runtime
  held.refused(exchange, verdict)
  reply.hijack()
  later(turn, refuse(exchange, verdict, { request: request.raw, response: reply.raw }), () => {})
}

function rejectUnread (turn: Turn, fault: FaultCode): void {
  const { request, reply, rooms } = turn
  reply.hijack()
  rooms.metrics.request({ route: UNREAD, verdict: 'fault', mode: turn.runtime.policy.mode }, 0)
  const { policy } = request.runtime ?? turn.runtime
  refuseUnread(fault, { request: request.raw, response: reply.raw }, { policy, now: rooms.clock() })
}

/** Runs a step; a defect in it must not reach the process. */
export function attempt (guard: (turn: Turn) => void, turn: Turn): void {
  try {
    guard(turn)
  } catch (error) {
    fail(turn, error)
  }
}

function later<T> (turn: Turn, pending: Promise<T>, then: (value: T) => void): void {
  pending.then(then).catch((error: unknown) => fail(turn, error))
}

/** A defect of ours costs the one request that met it; its details are for the log only. */
function fail (turn: Turn, error: unknown): void {
  const { request, reply, rooms } = turn
  rooms.log.error({ err: error, requestId: request.exchange?.id }, 'a request could not be handled')
  if (request.exchange !== null) (request.runtime as Runtime).held.gone(request.exchange)
  if (reply.raw.headersSent) reply.raw.destroy()
  else rejectUnread(turn, 'INTERNAL')
}

/** Nothing is against it: over to the backend. */
export function handOver (turn: Turn): void {
  if (hasLeft(turn)) return abandon(turn)
  turn.reply.hijack()
  const exchange = turn.request.exchange as Exchange
  if (!wantsEdits(exchange)) return pass(turn, undefined)
  const edited = editBody(exchange)
  if (edited instanceof Promise) later(turn, edited, (body) => passEdited(turn, body))
  else passEdited(turn, edited)
}

function passEdited (turn: Turn, edited: EditedBody | FaultCode): void {
  if (hasLeft(turn)) return abandon(turn)
  if (typeof edited === 'string') reject(turn, faultVerdict(edited))
  else pass(turn, edited)
}

function pass (turn: Turn, edited: EditedBody | undefined): void {
  const { request, reply, rooms, current } = turn
  const exchange = request.exchange as Exchange
  const runtime = request.runtime as Runtime
  const { handshake } = request.raw as RawRequest
  // A ban may have come while the request waited for its body, a key, a store, the backend's word or its edits.
  const late = runChecks(exchange.plan.lateChecks, exchange)
  if (late !== undefined) return settle(turn, late)
  for (const verdict of exchange.observed) rooms.refusals.observed(exchange, verdict)
  forward(exchange, { request: request.raw, response: reply.raw, handshake, edited, runtime, rooms, current })
}

/** Its client hung up while the request waited for its body, a key or a store. */
function hasLeft ({ request, reply }: Turn): boolean {
  return reply.raw.destroyed || request.raw.socket.destroyed
}

/** Nobody is there to be answered: the backend is spared, and what the request holds goes back. */
function abandon ({ request, reply, rooms }: Turn): void {
  reply.hijack()
  const exchange = request.exchange as Exchange
  const { held } = request.runtime as Runtime
  held.gone(exchange)
  rooms.metrics.request({ route: exchange.plan.label, verdict: GONE, mode: exchange.plan.mode },
    rooms.clock() - exchange.receivedAt)
}
