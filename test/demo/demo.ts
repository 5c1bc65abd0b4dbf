import type { Test } from 'tap'
import type { AccessLine } from '../../src/demo/access-log.js'
import { createDemoBackend, type DemoBackendOptions } from '../../src/demo/demo-backend.js'

export const secrets = { jwtSecret: 'access-secret', refreshSecret: 'refresh-secret' }
const json = { 'content-type': 'application/json' }

export interface Demo {
  readonly url: string
  readonly lines: readonly AccessLine[]
  post (path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  get (path: string, headers?: Record<string, string>): Promise<Response>
  /** Registers and signs in. */
  user (name: string): Promise<DemoUser>
}

export interface DemoUser {
  readonly id: string
  readonly token: string
  readonly cookie: string
  readonly headers: { readonly authorization: string }
}

export type Body = Record<string, unknown>

/** A demo backend that listens until the test ends; `clock.now` is its time. */
export async function startDemo (t: Test, options: Partial<DemoBackendOptions> = {}): Promise<Demo> {
  const lines: AccessLine[] = []
  const backend = await createDemoBackend({
    ...secrets, clock: Date.now, tokenDelayMs: 1, accessLog: (line) => lines.push(line), ...options,
  })
  t.teardown(() => backend.close())
  const url = await backend.listen({ host: '127.0.0.1', port: 0 })

  const demo: Demo = {
    url,
    lines,
    post: (path, body, headers = {}) =>
      fetch(url + path, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) }),
    get: (path, headers = {}) => fetch(url + path, { headers }),
    async user (name) {
      const account = { email: `${name}@example.com`, password: 'password of ' + name, name }
      await demo.post('/api/auth/register', account)
      const response = await demo.post('/api/auth/login', account)
      const { token, user: { id } } = await response.json() as { token: string, user: { id: string } }
      return { id, token, cookie: cookieOf(response), headers: { authorization: `Bearer ${token}` } }
    },
  }
  return demo
}

export function cookieOf (response: Response): string {
  return response.headers.getSetCookie()[0]?.split(';')[0] ?? ''
}

export async function bodyOf (response: Response | Promise<Response>): Promise<Body> {
  return await (await response).json() as Body
}

export interface Event { readonly name: string, readonly data: Body }

/** The events of a stream as they come; ends with the stream. */
export async function * eventsOf (response: Response): AsyncGenerator<Event> {
  let pending = ''
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (pending + chunk).split('\n\n')
    pending = blocks.pop() ?? ''
    for (const block of blocks) {
      const [name = '', data = ''] = block.split('\n')
      yield { name: name.slice('event: '.length), data: JSON.parse(data.slice('data: '.length)) as Body }
    }
  }
}

export async function allEvents (response: Response | Promise<Response>): Promise<readonly Event[]> {
  return collect(eventsOf(await response))
}

/** What the deltas of a stream add up to. */
export function textOf (events: readonly Event[]): string {
  interface Delta { readonly delta: { readonly content: ReadonlyArray<{ readonly text: string }> } }
  return events
    .filter(({ data }) => data['event'] === 'on_message_delta')
    .map(({ data }) => (data['data'] as Delta).delta.content.map(({ text }) => text).join(''))
    .join('')
}

export async function collect<T> (items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}
