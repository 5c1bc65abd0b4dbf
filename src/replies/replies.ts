import type { FaultVerdict, Verdict } from '../verdict/verdict.js'
import { faultOf, type FaultCode } from '../errors.js'
import { retryAfterSeconds } from '../verdict/verdict.js'
import type { DialectName } from '../policy/contract.js'
import type { Dialect, Reply, ReplyContext } from './contract.js'
import { librechatJson } from './librechat-json.js'
import { librechatSse } from './librechat-sse.js'
import { banPage } from './page.js'
import { problem } from './problem.js'

const dialects: Readonly<Record<DialectName, Dialect>> = {
  'librechat-json': librechatJson, 'librechat-sse': librechatSse, problem
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

/** Turns a verdict into an answer in the form that this backend's users read. */
export function render (verdict: Verdict, options: RenderOptions): Reply {
  const reply = shape(verdict, options)
  return { ...reply, headers: [...reply.headers, ...commonHeaders(verdict, options)] }
}

export function echoesIds (dialect: DialectName): boolean {
  return dialects[dialect].echoesIds
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
  return dialects[dialect].render(verdict, context)
}

function commonHeaders (verdict: Verdict, { dialect }: RenderOptions): Reply['headers'] {
  const headers: [string, string][] = [['cache-control', 'no-store']]
  if (verdict.retryAfterMs !== undefined) headers.push(['retry-after', String(retryAfterSeconds(verdict.retryAfterMs))])
  const { expiredCookie } = dialects[dialect]
  if (verdict.kind === 'ban' && verdict.ofUser && expiredCookie !== undefined) headers.push(['set-cookie', expiredCookie])
  return headers
}
