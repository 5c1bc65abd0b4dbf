/**
 * What LibreChat's page does with its client library: runs in the browser, on the library as published. Only what the
 * app's hooks do around the library stands here: who is signed in, one `SSE` per answer, what is shown of an error.
 */
import * as library from 'librechat-data-provider'
import { SSE } from 'sse.js'
import type { Draft, FormField, Outcome, Shown, Told, Watched } from './types.js'

type Service = (...args: unknown[]) => Promise<unknown>

interface Broken { readonly data?: unknown, readonly responseCode?: number }

interface Stream { readonly source: SSE, readonly events: Told[], status: number | undefined, isOver: boolean }

const { createPayload, dataService, request, setTokenHeader } = library
const streams = new Map<string, Stream>()
let token = ''
let serial = 0

// The library renews tokens by itself and says so on the window.
const page: EventTarget = globalThis as never
page.addEventListener('tokenUpdated', (event) => { token = String((event as CustomEvent).detail) })

function signedIn (given: string): void {
  token = given
  setTokenHeader(given)
}

/** One of the library's own request functions. */
async function call (name: string, ...args: unknown[]): Promise<Outcome<unknown>> {
  return await attempt(async () => await serviceOf(name)(...args))
}

const serviceOf = (name: string): Service => Reflect.get(dataService, name) as Service

/** One that takes a form. */
async function callWithForm (
  name: string, fields: readonly FormField[], ...args: unknown[]
): Promise<Outcome<unknown>> {
  const form = new FormData()
  for (const { name: field, value, filename, type } of fields) {
    if (filename === undefined) form.append(field, value)
    else form.append(field, new File([value], filename, { type: type ?? 'text/plain' }), encodeURIComponent(filename))
  }
  return await attempt(async () => {
    const answer = await serviceOf(name)(form, ...args)
    return answer instanceof ArrayBuffer ? answer.byteLength : answer
  })
}

/** A POST of the app's own for which the library has no function: it stops answers so. */
async function post (path: string, body: object): Promise<Outcome<unknown>> {
  return await attempt(async () => await request.post(path, body))
}

/** Signs in as the app's AuthContext does. */
async function login (email: string, password: string): Promise<Outcome<unknown>> {
  const outcome = await call('login', { email, password })
  const given = outcome.ok ? (outcome.value as { token?: string }).token : undefined
  if (given !== undefined) signedIn(given)
  return outcome
}

/** Today's message: its answer names a stream. */
async function say (draft: Draft): Promise<Outcome<unknown>> {
  const { server, payload } = createPayload(submissionOf(draft))
  return await attempt(async () => await request.post(server, payload))
}

/** A message of the older generations: its answer is the stream. Gives the stream's key. */
function ask (draft: Draft): string {
  const { server, payload } = createPayload(submissionOf(draft))
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }
  return open(new SSE(server, { payload: JSON.stringify(payload), headers, start: false }))
}

/** Opens an answer's stream as the app does. Gives the stream's key. */
function follow (path: string): string {
  return open(new SSE(path, { headers: { Authorization: `Bearer ${token}` }, method: 'GET', start: false }))
}

function open (source: SSE): string {
  const key = `stream-${++serial}`
  const stream: Stream = { source, events: [], status: undefined, isOver: false }
  streams.set(key, stream)
  source.addEventListener('message', (event: { data?: unknown }) => { stream.events.push(told('message', event)) })
  source.addEventListener('error', (event: Broken) => { fail(stream, event) })
  source.addEventListener('readystatechange', () => { if (source.readyState === SSE.CLOSED) stream.isOver = true })
  source.stream()
  return key
}

/** A refused token is renewed once and the stream opened again, as the app's hooks do. */
function fail (stream: Stream, event: Broken): void {
  if (event.responseCode === 401 && stream.status === undefined) {
    stream.status = 401
    request.refreshToken().then((renewed) => {
      const { token: given = '' } = (renewed ?? {}) as { token?: string }
      signedIn(given)
      Object.assign(stream, { isOver: false, status: undefined })
      stream.source.headers = { Authorization: `Bearer ${given}` }
      stream.source.stream()
    }, () => { stream.isOver = true })
    return
  }
  stream.status = event.responseCode
  stream.events.push(told('error', event))
}

const watched = (key: string): Watched => {
  const { events, status, isOver } = streams.get(key)!
  return { events, status, isOver }
}

const close = (key: string): void => { streams.get(key)?.source.close() }

/** What the app's error message is made from: the JSON in the text, by its `code` or `type`. */
function shown (text: string): Shown {
  const json = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Record<string, unknown>
  const type = String(json['code'] ?? json['type'])
  const known: string[] = [...Object.values(library.ViolationTypes), ...Object.values(library.ErrorTypes)]
  return { type, isKnown: known.includes(type), json }
}

function submissionOf (draft: Draft): Parameters<typeof createPayload>[0] {
  const { text, conversationId = null, endpoint = 'openAI', model = 'gpt-4o', clientRequestId } = draft
  const { messageId = crypto.randomUUID(), parentMessageId = '00000000-0000-0000-0000-000000000000' } = draft
  const userMessage = { text, sender: 'User', isCreatedByUser: true, messageId, parentMessageId, conversationId }
  const wanted: object = {
    userMessage,
    // The older library insists on the instants.
    conversation: { conversationId, endpoint, createdAt: '', updatedAt: '' },
    endpointOption: { endpoint, model },
    messages: [],
    isTemporary: false,
    ...clientRequestId === undefined ? {} : { clientRequestId },
  }
  return wanted as Parameters<typeof createPayload>[0]
}

async function attempt<T> (action: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await action() }
  } catch (error) {
    const { message, response, code } = error as Error & {
      code?: number | string, response?: { status?: number, data: unknown, headers?: Record<string, string> }
    }
    const status = response?.status ?? (typeof code === 'number' ? code : 0)
    return { ok: false, status, message, data: response?.data, headers: { ...response?.headers } }
  }
}

function told (event: string, { data }: { data?: unknown }): Told {
  try {
    return { event, data: JSON.parse(String(data)) as Record<string, unknown> }
  } catch {
    return { event, data: { unreadable: String(data) } }
  }
}

export const app = { call, callWithForm, post, login, signedIn, say, ask, follow, watched, close, shown }
export type App = typeof app
Object.assign(globalThis, { app })
