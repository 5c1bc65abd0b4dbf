/** The doorman's classifier behind an OpenAI-compatible server, on connections of its own. */
import { Agent, type Dispatcher } from 'undici'
import type {
  AskClassifier, Classifier, ClassifierAnswer, ClassifierFault, ClassifierQuestion,
} from '../doorman/doorman.js'
import type { DoormanEndpoint } from '../doorman/contract.js'
import { completionsUrl } from './completions-url.js'
import { BEST_MANNER, mannered, nextManner, type Manner } from './manner.js'
import { readCompletion } from './read-completion.js'

/** One label as JSON, and what servers put around it. */
const MOST_ANSWER_BYTES = 64 * 1024
const CONNECT_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 30_000
const CONNECTIONS = 64
/** Statuses of a server that does not like how it is asked, or what: too long, filtered. */
const DISLIKES: ReadonlySet<number> = new Set([400, 413, 422])
const TOO_MANY_REQUESTS = 429
const TIMEOUT = 408
/** A server may ask to be left alone longer than anybody waits. */
const MOST_RETRY_AFTER_S = 86_400

export interface ClassifierOptions {
  /** Tokens of an answer. */
  readonly maxTokens: number
}

interface Reply {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  /** Undefined: larger than any answer is. */
  readonly body: string | undefined
}

/** Opens no connection before the first question. The key is sent to this server alone and told to nobody. */
export function openClassifier (endpoint: DoormanEndpoint, { maxTokens }: ClassifierOptions): Classifier {
  const agent = new Agent({
    connections: CONNECTIONS, connect: { timeout: CONNECT_TIMEOUT_MS }, keepAliveTimeout: KEEP_ALIVE_MS, pipelining: 1,
  })
  const url = completionsUrl(endpoint.url)
  const headers = headersOf(endpoint)
  /** As the server was seen to take it. */
  let known = BEST_MANNER
  /** It answered one. */
  let isProven = false

  async function post (question: ClassifierQuestion, manner: Manner, signal: AbortSignal): Promise<Reply> {
    const body = JSON.stringify({
      ...endpoint.model !== undefined && { model: endpoint.model },
      messages: [{ role: 'system', content: question.instructions }, { role: 'user', content: question.data }],
      ...mannered(manner, question.labels, maxTokens),
      stream: false,
    })
    // No time-outs of its own: the signal is the deadline.
    const reply = await agent.request({
      ...partsOf(url), method: 'POST', headers, body, signal, headersTimeout: 0, bodyTimeout: 0,
    })
    return { status: reply.statusCode, headers: reply.headers, body: await readBounded(reply.body) }
  }

  const askIn = (manner: Manner): AskClassifier => async (question, signal) => {
    try {
      const reply = await post(question, manner, signal)
      const answer = answerOf(reply)
      if (answer.kind === 'answer') {
        // What a message is refused for must not teach manners: only a success does.
        known = manner
        isProven = true
      } else if (answer.fault === 'declined') {
        const other = nextManner(manner, reply.body ?? '', isProven && manner === known)
        if (other !== undefined) return { ...answer, otherwise: askIn(other) }
      }
      return answer
    } catch (error) {
      return faultOf(wasCut(error) ? 'cut' : 'unreachable', true)
    }
  }

  return {
    ask: async (question, signal) => await askIn(known)(question, signal),
    close: async () => { await agent.close().catch(() => {}) },
  }
}

function headersOf ({ apiKey }: DoormanEndpoint): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept: 'application/json',
    ...apiKey !== undefined && { authorization: `Bearer ${apiKey}` },
  }
}

function partsOf (url: string): { readonly origin: string, readonly path: string } {
  const { origin, pathname, search } = new URL(url)
  return { origin, path: pathname + search }
}

/** A larger body is left unread, and its connection with it. */
async function readBounded (body: Dispatcher.ResponseData['body']): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MOST_ANSWER_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function answerOf ({ status, headers, body }: Reply): ClassifierAnswer {
  if (isOk(status)) return { kind: 'answer', ...body === undefined ? { text: undefined, tokens: undefined } : readCompletion(body) }
  if (status === TOO_MANY_REQUESTS) return faultOf('overloaded', true, retryAfterOf(headers))
  if (status >= 500) return faultOf('server', true, retryAfterOf(headers))
  return DISLIKES.has(status) ? faultOf('declined', false) : faultOf('refused', status === TIMEOUT)
}

function isOk (status: number): boolean {
  return status >= 200 && status < 300
}

function faultOf (fault: ClassifierFault, isPassing: boolean, retryAfterMs?: number): ClassifierAnswer {
  return { kind: 'fault', fault, isPassing, retryAfterMs }
}

/** Seconds, or a date; `retry-after-ms`, which OpenAI sends too, is more exact. */
function retryAfterOf (headers: Reply['headers']): number | undefined {
  const exact = Number(headers['retry-after-ms'] ?? NaN)
  if (exact >= 0) return Math.min(exact, MOST_RETRY_AFTER_S * 1000)
  const text = headers['retry-after']
  if (typeof text !== 'string') return undefined
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(0, seconds), MOST_RETRY_AFTER_S) * 1000
}

/** The connection was there, and the answer, or its rest, was not. */
function wasCut (error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
}
