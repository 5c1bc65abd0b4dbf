/** A bot as small as they come: it tells Telegram where it is, and repeats what it hears. */
import { createServer } from 'node:http'
import { Bot, webhookCallback } from 'grammy'

const { BOT_TOKEN, PUBLIC_URL, TELEGRAM_WEBHOOK_SECRET: secretToken } = process.env
const path = '/telegram'

const bot = new Bot(BOT_TOKEN)
bot.on('message:text', async (ctx) => { await ctx.reply(`You said: ${ctx.message.text}`) })

const handle = webhookCallback(bot, 'http', { secretToken })
createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error)
    // Not 2xx: Telegram delivers it again.
    if (!response.headersSent) response.writeHead(500).end()
  })
}).listen(3000)
await bot.api.setWebhook(PUBLIC_URL + path, { secret_token: secretToken })
