import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { startBackend, type Backend, type Teardown } from '../helpers/backends.js'

/** What any prompt costs here. */
export const PROMPT_TOKENS = 7

export interface Question {
  readonly model?: string
  readonly stream?: boolean
  readonly stream_options?: { readonly include_usage?: boolean } | null
  readonly [name: string]: unknown
}

export interface ModelApi extends Backend {
  /** What it was asked, in order. */
  readonly questions: Question[]
  readonly heads: IncomingHttpHeaders[]
  /** Answers that wait for `proceed`, while `holds`. */
  holds: boolean
  readonly waiting: () => number
  /** Lets the oldest so many go on; without a number, all of them, and holds no more. */
  proceed (count?: number): void
}

/**
 * A server of several APIs that says as many words as its model is called (`words-40`), but no more than it may; each
 * is a token. Models that end otherwise misbehave: `words-40-mute` tells no usage, `-gzip` is coded, `-cut` breaks in
 * the middle, `-long` comes with a mebibyte before its usage, `-500` is an error, `-silent` breaks before its first byte, `-never` gives no head.
 */
export async function startModelApi (t: Teardown): Promise<ModelApi> {
  const questions: Question[] = []
  const heads: IncomingHttpHeaders[] = []
  let held: (() => void)[] = []
  const backend = await startBackend(t, (request, response) => {
    const hold = async () => {
      if (api.holds) await new Promise<void>((resolve) => { held.push(resolve) })
    }
    answer(request, response, { hold, ask: (question) => { questions.push(question); heads.push(request.headers) } })
      .catch(() => response.destroy())
  })
  const api: ModelApi = {
    ...backend,
    questions,
    heads,
    holds: false,
    waiting: () => held.length,
    proceed: (count) => {
      if (count === undefined) api.holds = false
      const released = held.slice(0, count)
      held = held.slice(released.length)
      for (const resolve of released) resolve()
    },
  }
  return api
}

interface Desk {
  hold (): Promise<void>
  ask (question: Question): void
}

async function answer (request: IncomingMessage, response: ServerResponse, { hold, ask }: Desk): Promise<void> {
  const question = JSON.parse(await text(request) || '{}') as Question
  ask(question)
  const [, words = '5', how] = (question.model ?? '').split('-')
  if (how === '500') return send(response, JSON.stringify({ error: 'no' }), 500)
  if (how === 'never') return
  const api = apiOf(request.url ?? '')
  const spoken = Math.min(Number(words), api.capOf(question) ?? Infinity)
  const told = how !== 'mute'
  if (question.stream !== true) {
    await hold()
    const filler = how === 'long' ? { filler: 'x'.repeat(1024 * 1024) } : {}
    return send(response, JSON.stringify({ ...filler, ...api.document(spoken, told) }))
  }
  response.setHeader('content-type', api.type)
  if (how === 'silent') return response.writeHead(200).flushHeaders()
  const events = api.events(spoken, told && (api.asksUsage !== true || question.stream_options?.include_usage === true))
  if (how === 'gzip') {
    response.setHeader('content-encoding', 'gzip')
    response.end(gzipSync(events.join('')))
    return
  }
  for (const [index, event] of events.entries()) {
    if (index === 1) await hold()
    if (how === 'cut' && index >= events.length / 2) {
      response.destroy()
      return
    }
    response.write(event)
    if (how === 'cut') await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
  response.end()
}

function send (response: ServerResponse, body: string, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body)
}

interface Api {
  readonly type: string
  readonly asksUsage?: boolean
  capOf (question: Question): number | undefined
  document (words: number, told: boolean): object
  events (words: number, told: boolean): string[]
}

const EVENTS = 'text/event-stream'
const data = (value: object) => `data: ${JSON.stringify(value)}\n\n`
const words = (count: number) => Array.from({ length: count }, () => 'word ')
const numberAt = (value: unknown) => typeof value === 'number' ? value : undefined

const chatUsage = (count: number) =>
  ({ prompt_tokens: PROMPT_TOKENS, completion_tokens: count, total_tokens: PROMPT_TOKENS + count })

const chat: Api = {
  type: EVENTS,
  asksUsage: true,
  // As many do, it knows only the older name.
  capOf: ({ max_tokens: cap }) => numberAt(cap),
  document: (count, told) => ({
    id: 'c', object: 'chat.completion', created: 1, model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: words(count).join('') }, finish_reason: 'stop' }],
    ...told && { usage: chatUsage(count) },
  }),
  events: (count, told) => {
    const head = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' }
    const pieces = words(count).map((content) =>
      ({ ...head, choices: [{ index: 0, delta: { content }, finish_reason: null }], usage: null }))
    const last = told ? [{ ...head, choices: [], usage: chatUsage(count) }] : []
    return [...pieces, ...last].map(data).concat('data: [DONE]\n\n')
  },
}

const responses: Api = {
  type: EVENTS,
  capOf: ({ max_output_tokens: cap }) => numberAt(cap),
  document: (count, told) => ({ id: 'r', output: [], ...told && { usage: { input_tokens: PROMPT_TOKENS, output_tokens: count } } }),
  events: (count, told) => [
    { type: 'response.created', response: { id: 'r', usage: null } },
    ...words(count).map((delta) => ({ type: 'response.output_text.delta', delta })),
    { type: 'response.completed', response: responses.document(count, told) },
  ].map((event) => `event: ${event.type}\n${data(event)}`),
}

/** Its prompt costs 3 beside what was cached. */
const messages: Api = {
  type: EVENTS,
  capOf: ({ max_tokens: cap }) => numberAt(cap),
  document: (count) => ({ type: 'message', content: [], usage: { input_tokens: 3, cache_creation_input_tokens: 0, cache_read_input_tokens: 4, output_tokens: count } }),
  events: (count) => [
    { type: 'message_start', message: { usage: { input_tokens: 3, cache_creation_input_tokens: 2, cache_read_input_tokens: 2, output_tokens: 1 } } },
    ...words(count).map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: count } },
    { type: 'message_stop' },
  ].map((event) => `event: ${event.type}\n${data(event)}`),
}

const ollama: Api = {
  type: 'application/x-ndjson',
  capOf: ({ options }) => numberAt(Reflect.get(options ?? {}, 'num_predict')),
  document: (count) => ({ message: { content: words(count).join('') }, done: true, prompt_eval_count: PROMPT_TOKENS, eval_count: count }),
  events: (count) => [
    ...words(count).map((content) => ({ message: { content }, done: false })),
    { message: { content: '' }, done: true, prompt_eval_count: PROMPT_TOKENS, eval_count: count },
  ].map((line) => `${JSON.stringify(line)}\n`),
}

const completions: Api = {
  ...chat,
  document: (count) => ({ choices: [{ text: words(count).join('') }], usage: { prompt_tokens: PROMPT_TOKENS, completion_tokens: count } }),
}

const llamacpp: Api = {
  type: EVENTS,
  capOf: ({ n_predict: cap }) => numberAt(cap),
  document: (count) => ({ content: words(count).join(''), stop: true, tokens_evaluated: PROMPT_TOKENS, tokens_predicted: count }),
  events: (count) => [
    ...words(count).map((content) => ({ content, stop: false })),
    { content: '', stop: true, tokens_evaluated: PROMPT_TOKENS, tokens_predicted: count },
  ].map(data),
}

function apiOf (url: string): Api {
  if (url.includes('/responses')) return responses
  if (url.includes('/messages')) return messages
  if (url.includes('/api/chat') && !url.includes('completions')) return ollama
  if (url.endsWith('/completion')) return llamacpp
  return url.includes('/chat/') ? chat : completions
}
