import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FaultCode } from '../errors.js'
import type { Exchange } from '../exchange.js'
import { rateHeaders } from '../limits/rate-headers.js'
import type { Reply, ReplyContext } from '../replies/contract.js'
import type { Policy } from '../policy/contract.js'
import { faultVerdict, readsBody, render } from '../replies/replies.js'
import { discardRest } from '../upstream/upstream.js'
import type { Verdict } from '../verdict/verdict.js'
import { decodeBody, parseBody } from './parse-body.js'
import { peekBody } from './read-body.js'

/** How much of a body is read for what a dialect takes from it, and how long it may take. */
const PEEKED_BYTES = 64 * 1024
const PEEK_DEADLINE_MS = 1000
/** An unread body up to this size is worth reading to keep the connection; behind a larger one it is closed. */
const DRAINED_BYTES = 64 * 1024

/** The two sides of a client's request. */
interface Sides { readonly request: IncomingMessage, readonly response: ServerResponse }

interface Unread { readonly policy: Policy, readonly now: number }

/** Answers a request with a verdict, in the dialect of the entry whose check refused. */
export async function refuse (exchange: Exchange, verdict: Verdict, raw: Sides): Promise<void> {
  const dialect = exchange.plan.dialectOf(verdict.rule)
  const wanted = readsBody(dialect, verdict) && !exchange.upgrade
  const json = exchange.body === undefined && wanted ? await peekJson(raw.request) : exchange.json
  const reply = render(verdict, {
    dialect,
    navigation: isNavigation(raw.request),
    loginUrl: exchange.plan.login ? exchange.policy.loginUrl : undefined,
    context: replyContext(exchange, json),
  })
  send(raw, reply, [['x-request-id', exchange.id], ...rateHeaders(exchange.decision)])
}

/** What dialects are told of an exchange; `json`: of its body, or of the frame that is refused. */
export function replyContext (exchange: Exchange, json: unknown): ReplyContext {
  const { id: requestId, receivedAt: now, target: { path }, headers, upgrade } = exchange
  return { requestId, now, path, headers, upgrade, body: asMap(json), newId: randomUUID }
}

/** Answers what could not even become an exchange, in the policy's general dialect. */
export function refuseUnread (fault: FaultCode, { request, response }: Sides, { policy, now }: Unread): void {
  const requestId = randomUUID()
  const reply = render(faultVerdict(fault), {
    dialect: policy.defaultReply,
    navigation: false,
    loginUrl: undefined,
    context: { requestId, now, path: '', headers: request.headers, upgrade: false, body: undefined, newId: randomUUID },
  })
  send({ request, response }, reply, [['x-request-id', requestId]])
}

/** Writes an answer of ours and deals with a body that nobody read. */
export function send ({ request, response }: Sides, reply: Reply, own: Reply['headers']): void {
  if (response.headersSent || response.destroyed) return
  const head: string[] = []
  for (const [name, value] of reply.headers) head.push(name, value)
  for (const [name, value] of own) head.push(name, value)
  head.push('content-length', String(Buffer.byteLength(reply.body)))
  if (hasLargeUnreadBody(request)) head.push('connection', 'close')
  if (!request.complete) discardRest(request, response)
  response.writeHead(reply.status, head)
  response.end(request.method === 'HEAD' ? undefined : reply.body)
}

/** A browser loads a page: no script is there to read JSON. */
function isNavigation ({ method, headers }: IncomingMessage): boolean {
  return (method === 'GET' || method === 'HEAD') && headers.accept !== undefined && headers.accept.includes('text/html')
}

async function peekJson (request: IncomingMessage): Promise<unknown> {
  const { headers } = request
  const bytes = await peekBody(request, { maxBytes: PEEKED_BYTES, deadlineMs: PEEK_DEADLINE_MS })
  const decoded = decodeBody(bytes, { headers, maxBytes: PEEKED_BYTES })
  return Buffer.isBuffer(decoded) ? parseBody(decoded, headers['content-type']) : undefined
}

function asMap (json: unknown): Record<string, unknown> | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json as Record<string, unknown> : undefined
}

function hasLargeUnreadBody (request: IncomingMessage): boolean {
  if (request.complete) return false
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  return encoding !== undefined || Number(length ?? 0) > DRAINED_BYTES
}
