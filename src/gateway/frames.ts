/** WebSockets whose messages are looked at: each is checked by the rules in force, as a request is. */
import type { IncomingMessage } from 'node:http'
import { chain } from '../chain.js'
import type { Exchange } from '../exchange.js'
import { faultVerdict, renderFrames } from '../replies/replies.js'
import type { Closing, Inspection, FrameCheck, Refused } from '../upstream/frame-contract.js'
import { BANNED_MESSAGE, type Verdict } from '../verdict/verdict.js'
import { editMessage } from './edit-body.js'
import { exchangeOf, standingOf } from './frames-exchange.js'
import { runChecks } from './guard.js'
import type { CloseReason } from './open-exchanges.js'
import { parseBody } from './parse-body.js'
import { readMessage, type MessageReading } from './read-message.js'
import { replyContext } from './refuse.js'
import type { Rooms } from './rooms.js'
import type { Runtime } from './runtime.js'

/** RFC 6455 §7.4.1: against our rules. */
const POLICY_VIOLATION = 1008
const GOING_AWAY = 1001
/** What fits into a close frame beside its code. */
const REASON_BYTES = 123

const CLOSINGS: Readonly<Record<CloseReason, Closing>> = {
  ban: { code: POLICY_VIOLATION, reason: BANNED_MESSAGE },
  shutdown: { code: GOING_AWAY, reason: 'The service restarts.' },
}

/** An inspected WebSocket, from the handshake to its end. */
export interface FrameLine {
  readonly inspection: Inspection
  /** Ends it on both sides, with a word to each once the backend has agreed to it. */
  readonly close: (why: CloseReason) => void
}

export interface FrameParties {
  /** The handshake. */
  readonly request: IncomingMessage
  /** What the handshake was admitted by. */
  readonly runtime: Runtime
  /** What is in force whenever it is asked. */
  readonly current: () => Runtime
  readonly rooms: Rooms
}

export function createFrameLine (handshake: Exchange, parties: FrameParties): FrameLine {
  const { request, rooms } = parties
  let end: ((closing: Closing) => void) | undefined
  return {
    inspection: {
      maxBytes: handshake.policy.maxInspectedBody,
      check: createFrameCheck(handshake, parties),
      onOpen: (close) => { end = close },
      onDefect: (error) => { tellDefect(rooms, handshake, error) },
    },
    close: (why) => {
      if (end === undefined) request.socket.destroy()
      else end(CLOSINGS[why])
    },
  }
}

function createFrameCheck (handshake: Exchange, { runtime, current, rooms }: FrameParties): FrameCheck {
  let standing = standingOf(handshake, runtime)
  return (message) => {
    const inForce = current()
    if (standing.runtime !== inForce) standing = standingOf(handshake, inForce)
    if (standing.plan.frameReading === 'none') return undefined
    const exchange = exchangeOf(handshake, standing, { data: message.data, receivedAt: rooms.clock() })
    const parties = { held: standing.runtime.held, rooms }
    const failed = (error: unknown): Refused => fail(exchange, error, parties)
    try {
      const verdict = chain(readMessage(message), (reading) => check(exchange, reading))
      const judged = chain(verdict, (known) => settle(exchange, known, parties) ?? editMessage(exchange, message))
      return judged instanceof Promise ? judged.catch(failed) : judged
    } catch (error) {
      return failed(error)
    }
  }
}

/** Where prompts stand, what is no plain JSON is refused; but it is a message, and counts as one. */
function check (exchange: Exchange, reading: MessageReading): ReturnType<typeof runChecks> {
  const { plan } = exchange
  if (reading.fault === undefined) exchange.json = reading.json
  else if (plan.frameReading === 'strict') {
    const fault = faultVerdict(reading.fault)
    if (plan.mode === 'enforce') return chain(runChecks(plan.frameChecks, exchange), (verdict) => verdict ?? fault)
    exchange.observed.push(fault)
    exchange.json = parseBody(exchange.body as Buffer)
  }
  return runChecks(plan.frameChecks, exchange)
}

/** Of the runtime by which a message is checked. */
interface MessageParties extends Pick<Runtime, 'held'> { readonly rooms: Rooms }

function settle (
  exchange: Exchange, verdict: Verdict | undefined, { held, rooms }: MessageParties
): Refused | undefined {
  const { plan, receivedAt } = exchange
  rooms.metrics.request({ route: plan.label, verdict: verdict?.kind ?? 'forwarded', mode: plan.mode },
    rooms.clock() - receivedAt)
  if (verdict !== undefined) {
    held.refused(exchange, verdict)
    rooms.refusals.refused(exchange, verdict)
    return refusalOf(exchange, verdict)
  }
  for (const observed of exchange.observed) rooms.refusals.observed(exchange, observed)
  return undefined
}

function refusalOf (exchange: Exchange, verdict: Verdict): Refused {
  const replies = renderFrames(verdict, {
    dialect: exchange.plan.dialectOf(verdict.rule), context: replyContext(exchange, exchange.json),
  })
  if (verdict.kind !== 'ban') return { replies }
  return { replies, close: { code: POLICY_VIOLATION, reason: reasonOf(verdict.message) } }
}

/** A defect of ours costs the one message that met it. */
function fail (exchange: Exchange, error: unknown, { held, rooms }: MessageParties): Refused {
  tellDefect(rooms, exchange, error)
  held.gone(exchange)
  return refusalOf(exchange, faultVerdict('INTERNAL'))
}

function tellDefect (rooms: Rooms, { id }: Exchange, error: unknown): void {
  rooms.log.error({ err: error, requestId: id }, 'a WebSocket message could not be handled')
}

function reasonOf (message: string): string {
  let reason = message.slice(0, REASON_BYTES)
  while (Buffer.byteLength(reason) > REASON_BYTES) reason = reason.slice(0, -1)
  return reason.toWellFormed()
}
