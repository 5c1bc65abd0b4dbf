/** What the 50 statements of reference librechat.md §10 share: the product before a small chat app, and its callers. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startProduct, type Product, type ProductOptions } from '../../helpers/product.js'
import { startChatBackend, type BackendOptions, type ChatBackend } from './backend.js'
import { accessToken } from './tokens.js'

export const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'
export const BAN_TEXT = 'Your account has been temporarily banned due to violations of our service.'
export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

export interface Stage { readonly product: Product, readonly chat: ChatBackend }

export type StageOptions = Partial<ProductOptions> & BackendOptions

/** The product behind a trusted proxy, with the preset `librechat` unless the environment names another. */
export async function setStage (t: Test, { trusting, ...options }: StageOptions = {}): Promise<Stage> {
  const chat = await startChatBackend(t, trusting === undefined ? {} : { trusting })
  return { chat, product: await startBehindProxy(t, { upstream: chat.url, ...options }) }
}

export async function startBehindProxy (t: Test, options: ProductOptions): Promise<Product> {
  return await startProduct(t, { ...options, env: { GATEWAY_TRUST_PROXY: 'loopback', ...options.env } })
}

export interface Caller {
  /** Undefined: nobody. */
  readonly user?: string
  readonly ip?: string
  /** null: no User-Agent at all. */
  readonly agent?: string | null
  /** Instead of the user's own. */
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** Empty where the answer is no JSON object. */
  readonly body: Record<string, unknown>
}

/** A text or bytes are sent as they are; any other object as JSON. */
type Body = object | string | Buffer

/** Sends exactly this method, path and head. */
export async function open (
  { url }: Pick<Product, 'url'>, line: string, caller: Caller = {}, body?: Body
): Promise<IncomingMessage> {
  const [method = 'GET', path = '/'] = line.split(' ')
  const { hostname, port } = new URL(url)
  const isJson = typeof body === 'object' && !Buffer.isBuffer(body)
  const headers = { ...headOf(caller), ...isJson && { 'content-type': 'application/json' } }
  const sent = request({ hostname, port, method, path, headers, agent: false })
  sent.end(isJson ? JSON.stringify(body) : body)
  const [answer] = await once(sent, 'response') as [IncomingMessage]
  return answer
}

/** The same, read to the end. */
export async function ask (product: Pick<Product, 'url'>, line: string, caller?: Caller, body?: Body): Promise<Answer> {
  const answer = await open(product, line, caller, body)
  const pieces: Buffer[] = []
  for await (const piece of answer) pieces.push(piece as Buffer)
  const text = Buffer.concat(pieces).toString()
  const { statusCode: status = 0, headers } = answer
  return { status, headers, text, body: text.startsWith('{') ? JSON.parse(text) as Record<string, unknown> : {} }
}

/** A message that holds its slot until the backend ends it. */
export const slow = async (product: Product, caller: Caller): Promise<Answer> =>
  await ask(product, 'POST /api/agents/chat/openAI', caller, { text: 'slow' })

/** A message, and its answer read to the end where it was admitted: its slot is free again. */
export async function say (product: Product, caller: Caller): Promise<Answer> {
  const answer = await ask(product, 'POST /api/agents/chat/openAI', caller, { text: 'hi' })
  if (answer.status === 200) await ask(product, `GET /api/agents/chat/stream/${String(answer.body['streamId'])}`, caller)
  return answer
}

/** How many of so many messages, one after the other, were answered with each status. */
export async function sayTimes (product: Product, caller: Caller, times: number): Promise<Record<number, number>> {
  const counts: Record<number, number> = {}
  for (let i = 0; i < times; i++) {
    const { status } = await say(product, caller)
    counts[status] = (counts[status] ?? 0) + 1
  }
  return counts
}

export const statusOf = async (product: Product, caller: Caller, line = 'GET /api/convos'): Promise<number> =>
  (await ask(product, line, caller)).status

/** What the operator asks of the admin listener. */
export async function operate (product: Product, line: string, body?: object): Promise<Answer> {
  const headers = { authorization: `Bearer ${product.adminToken}` }
  return await ask({ url: product.adminUrl }, line, { headers }, body)
}

export interface ListedBan { readonly subject: string, readonly violation: string, readonly score: number }

export async function listBans (product: Product): Promise<readonly ListedBan[]> {
  return (await operate(product, 'GET /api/v1/bans')).body['bans'] as ListedBan[]
}

/** By the operator's hand. */
export async function ban (product: Product, user: string): Promise<void> {
  await operate(product, 'POST /api/v1/bans', { user, duration: '1h', note: 'by hand' })
}

/** The lines of logs.json; empty while there is none. */
export async function journal ({ dataDir }: Product): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(dataDir, 'logs.json'), 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>)
}

export type Totals = Record<string, Record<string, { total: number, score: number }>>

/** violations.json without its format; empty while there is none. */
export async function totals ({ dataDir }: Product): Promise<Totals> {
  const text = await readFile(join(dataDir, 'violations.json'), 'utf8').catch(() => '{}')
  const { $format, ...types } = JSON.parse(text) as Totals & { $format?: number }
  return types
}

function headOf ({ user, ip = '203.0.113.1', agent = BROWSER, token, headers = {} }: Caller): Record<string, string> {
  const bearer = token ?? (user === undefined ? undefined : accessToken(user))
  return {
    ...agent !== null && { 'user-agent': agent },
    ...ip !== '' && { 'x-forwarded-for': ip },
    ...bearer !== undefined && { authorization: `Bearer ${bearer}` },
    ...headers,
  }
}
