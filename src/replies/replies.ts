import type { FaultVerdict, Verdict } from '../verdict/verdict.js'
import { faultOf, type FaultCode } from '../errors.js'
import { retryAfterSeconds } from '../verdict/verdict.js'
import type { DialectName } from '../policy/contract.js'
import { anthropic } from './anthropic.js'
import { cheshireCatAgents } from './cheshire-cat-agents.js'
import { cheshireCat } from './cheshire-cat.js'
import type { Dialect, Reply, ReplyContext } from './contract.js'
import { librechatDetails, messageOf } from './details.js'
import { librechatJson } from './librechat-json.js'
import { librechatSse } from './librechat-sse.js'
import { openaiMessage } from './openai-message.js'
import { openai } from './openai.js'
import { banPage } from './page.js'
import { problem } from './problem.js'
import { telegram } from './telegram.js'

const dialects: Readonly<Record<DialectName, Dialect>> = {
  'librechat-json': librechatJson,
  'librechat-sse': librechatSse,
  problem,
  openai,
  'openai-message': openaiMessage,
  anthropic,
  'cheshire-cat': cheshireCat,
  'cheshire-cat-agents': cheshireCatAgents,
  telegram,
}

/** Query that LibreChat's login page turns into a message. */
const LOGIN_ERROR = '/login?redirect=false&error=auth_failed'

export interface RenderOptions {
  readonly dialect: DialectName
  /** The request is a browser's navigation: it wants HTML. */
  readonly navigation: boolean
  /** A sign-in navigation is sent back to this login page instead of being answered in place. */
  readonly loginUrl: string | undefined
  readonly context: ReplyContext
}

export type FrameOptions = Pick<RenderOptions, 'dialect' | 'context'>

/** Turns a verdict into an answer in the form that this backend's users read. */
export function render (verdict: Verdict, options: RenderOptions): Reply {
  const reply = shape(verdict, options)
  const headers = [...reply.headers, ...commonHeaders(verdict, options)]
  // A chat message with status 200 is for people; to the client of a handshake it would be a broken server.
  const status = options.context.upgrade && reply.status < 300 ? verdict.status : reply.status
  return { ...reply, status, headers }
}

/** Answers a refused frame of a WebSocket: text frames, in order, at least one. */
export function renderFrames (verdict: Verdict, { dialect, context }: FrameOptions): readonly string[] {
  return dialects[dialect].renderFrames?.(verdict, context) ?? [plainFrame(verdict, context)]
}

/** True when this answer depends on the request's body, so that it is worth reading. */
export function readsBody (dialect: DialectName, verdict: Verdict): boolean {
  return dialects[dialect].readsBody(verdict)
}

/** A fault of the catalogue as a verdict. */
export function faultVerdict (code: FaultCode): FaultVerdict {
  const { status, title, message } = faultOf(code)
  return { kind: 'fault', rule: code.toLowerCase(), code, status, title, message }
}

function shape (verdict: Verdict, { dialect, navigation, loginUrl, context }: RenderOptions): Reply {
  if (navigation && loginUrl !== undefined && (verdict.kind === 'ban' || verdict.kind === 'limit')) {
    return { status: 302, headers: [['location', loginUrl + LOGIN_ERROR]], body: '' }
  }
  if (navigation && verdict.kind === 'ban') return banPage(verdict, context)
  if (verdict.kind === 'delivered') return { status: verdict.status, headers: [], body: '' }
  return dialects[dialect].render(verdict, context)
}

function commonHeaders (verdict: Verdict, { dialect }: RenderOptions): Reply['headers'] {
  const headers: [string, string][] = [['cache-control', 'no-store']]
  if (verdict.retryAfterMs !== undefined) headers.push(['retry-after', String(retryAfterSeconds(verdict.retryAfterMs))])
  const { expiredCookie } = dialects[dialect]
  if (verdict.kind === 'ban' && verdict.ofUser && expiredCookie !== undefined) headers.push(['set-cookie', expiredCookie])
  return headers
}

/** For backends that have no form for it: the members that LibreChat's clients know, as JSON. */
function plainFrame (verdict: Verdict, context: ReplyContext): string {
  const message = messageOf(verdict)
  return JSON.stringify({ message, ...librechatDetails(verdict, context), requestId: context.requestId })
}
