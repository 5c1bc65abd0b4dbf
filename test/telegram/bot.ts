import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Bot, webhookCallback } from 'grammy'
import type { Update, UserFromGetMe } from 'grammy/types'
import { startBackend, type Teardown } from '../helpers/backends.js'
import { BOT } from './updates.js'

export const SECRET = 'a-secret_token-of-setWebhook'
const TOKEN = '7000000001:AAE-no_bot_of_this_token_exists'
const INFO: UserFromGetMe = {
  ...BOT,
  can_join_groups: true,
  can_read_all_group_messages: true,
  can_manage_bots: false,
  can_connect_to_business: true,
  has_main_web_app: false,
  has_topics_enabled: false,
  allows_users_to_create_topics: false,
  supports_inline_queries: true,
  supports_join_request_queries: false,
}
/** What the Bot API answers whatever is asked. */
const SENT = { message_id: 1, date: 1, chat: { id: 1, type: 'private', first_name: 'x' } }

interface Received { readonly path: string, readonly headers: IncomingHttpHeaders, readonly body: Buffer }
interface ApiCall { readonly method: string, readonly [param: string]: unknown }

export interface RunningBot {
  readonly url: string
  /** Requests that reached its port, as they came. */
  readonly received: readonly Received[]
  /** Updates that its own handlers saw. */
  readonly updates: readonly Update[]
  /** What it asked of the Bot API. */
  readonly calls: readonly ApiCall[]
  /** Its process ends, and comes back. */
  stop (): Promise<void>
  start (): Promise<void>
  /** It answers no update until the promise is settled. */
  busy: Promise<unknown> | undefined
}

/**
 * A bot as people write them, with grammy: it answers texts through the Bot API, for which a server of ours stands in,
 * buttons in the answer to the webhook itself, and breaks at the word "crash".
 */
export async function startBot (t: Teardown): Promise<RunningBot> {
  const [received, updates, calls]: [Received[], Update[], ApiCall[]] = [[], [], []]
  const api = await startBackend(t, (request, response) => {
    collect(request, (body) => {
      const method = request.url?.split('/').at(-1) ?? ''
      calls.push({ method, ...JSON.parse(body.toString()) as object })
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ ok: true, result: SENT }))
    })
  })
  const canUseWebhookReply = (method: string) => method === 'answerCallbackQuery'
  const bot = new Bot(TOKEN, { botInfo: INFO, client: { apiRoot: api.url, canUseWebhookReply } })
  bot.use(async (ctx, next) => {
    updates.push(ctx.update)
    await running.busy
    await next()
  })
  bot.hears('crash', () => { throw new Error('The bot is broken.') })
  bot.on(['message:text', 'message:caption'], async (ctx) => { await ctx.reply(`Heard by ${ctx.me.first_name}.`) })
  bot.on('callback_query:data', async (ctx) => { await ctx.answerCallbackQuery('Pressed.') })
  bot.on('inline_query', async (ctx) => { await ctx.answerInlineQuery([]) })

  const handle = webhookCallback(bot, 'http', { secretToken: SECRET })
  const { server, url, port } = await startBackend(t, (request, response) => {
    alongside(request, (body) => { received.push({ path: request.url ?? '', headers: request.headers, body }) })
    handle(request, response).catch(() => { response.writeHead(500).end() })
  })
  const running: RunningBot = {
    url,
    received,
    updates,
    calls,
    stop: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
    start: async () => { await once(server.listen(port, '127.0.0.1'), 'listening') },
    busy: undefined,
  }
  return running
}

function collect (request: IncomingMessage, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => { done(Buffer.concat(chunks)) })
}

/** As `collect`, from when the bot begins to read: whoever reads before it would read in its place. */
function alongside (request: IncomingMessage, done: (body: Buffer) => void): void {
  const onListener = (event: string | symbol) => {
    if (event !== 'data') return
    request.off('newListener', onListener)
    collect(request, done)
  }
  request.on('newListener', onListener)
}
