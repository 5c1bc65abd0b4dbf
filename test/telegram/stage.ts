import type { Test } from 'tap'
import { startProduct, type Product, type ProductOptions } from '../helpers/product.js'
import { SECRET, startBot, type RunningBot } from './bot.js'
import { BOT, type Content } from './updates.js'

export const HEADER = 'x-telegram-bot-api-secret-token'
/** A path of the bot's own choosing. */
export const PATH = '/hooks/b7e1?x=1'

export interface Answer {
  readonly status: number
  readonly type: string | null
  readonly text: string
  /** What the budget has left; undefined: the update was not counted. */
  readonly left: number | undefined
}
type Headers = Readonly<Record<string, string>>

export interface Stage extends Product {
  readonly bot: RunningBot
  /** Telegram delivers an update: a new one, or one of this number. */
  deliver (content: Content, id?: number): Promise<Answer>
  /** Sends any bytes to the webhook. */
  post (body: string | Buffer, headers?: Headers): Promise<Answer>
  /** How often an update reached the bot's port. */
  reached (): number
}

type StageOptions = Partial<ProductOptions> & { readonly bot?: RunningBot }

export const env = {
  PORTCULLIS_PRESET: 'telegram-bot', TELEGRAM_WEBHOOK_SECRET: SECRET, TELEGRAM_BOT_USERNAME: BOT.username,
  ALLOWED_USER_IDS: '*', ALLOWED_GROUP_IDS: '*', GLOBAL_RATE_LIMIT_REQUESTS_PER_MINUTE: '1000',
}
let updateId = 900_000_000

/** A real bot behind the whole product, and Telegram's servers in front of it. */
export async function startStage (t: Test, options: StageOptions = {}): Promise<Stage> {
  const bot = options.bot ?? await startBot(t)
  const product = await startProduct(t, { ...options, upstream: bot.url, env: { ...env, ...options.env } })
  const right = { [HEADER]: SECRET }
  const post = (body: string | Buffer, headers: Headers = right) => send(product.url + PATH, body, headers)
  return {
    ...product,
    bot,
    post,
    deliver: (content, id = ++updateId) => post(bytesOf(content, id)),
    reached: () => bot.received.length,
  }
}

/** As Telegram's servers write it: everything but ASCII escaped, slashes too, and the number on a line of its own. */
export function bytesOf (content: Content, id: number): string {
  return JSON.stringify({ update_id: id, ...content })
    .replace(',', ',\n')
    .replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll('/', '\\/')
}

async function send (url: string, body: string | Buffer, headers: Headers): Promise<Answer> {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })
  const left = answer.headers.get('x-ratelimit-remaining')
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    text: await answer.text(),
    left: left === null ? undefined : Number(left),
  }
}

/** What Telegram is asked to say. */
export interface Said { readonly method: string, readonly chat_id: number, readonly text: string }

export function saidBy ({ status, text }: Answer): Said | undefined {
  if (status !== 200) throw new Error(`Telegram was answered ${status}: ${text}`)
  return text === '' ? undefined : JSON.parse(text) as Said
}
