/** Which updates reach the bot, which of them cost something, and what Telegram is answered. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/config/presets.js'
import { startBackend } from '../helpers/backends.js'
import { startProduct } from '../helpers/product.js'
import { SECRET } from './bot.js'
import { bytesOf, env, HEADER, PATH, startStage } from './stage.js'
import * as update from './updates.js'
import { ADA, BOB, BOT, OTHER_BOT, replyTo } from './updates.js'

const cost: Readonly<Record<string, update.Content>> = {
  'a private message': update.inPrivate('Hi'),
  'a private command': update.inPrivate('/start'),
  'an edited private message': update.editedInPrivate('Hi!'),
  'a mention in a group': update.inGroup('@EchoMindBot, why?'),
  'a mention behind characters of two units': update.inGroup('😀🎉 dear @echomindbot'),
  'a mention in a caption': update.captioned('What is this, @EchoMindBot?'),
  'a mention of somebody without a name': update.textMention('Echo, hi'),
  'a mention in an edited message': update.editedInGroup('@EchoMindBot, well?'),
  'a reply to the bot': update.inGroup('And then?', replyTo(BOT, 'Once upon a time')),
  'an edited reply to the bot': update.editedInGroup('And now?', replyTo(BOT, 'Once upon a time')),
  'a command for everybody': update.inGroup('/help'),
  'a command for the bot': update.inGroup('/help@EchoMindBot me', {}, update.SMALL_GROUP),
  'a mention by an administrator without a name': update.asAnonymousAdmin('@EchoMindBot, go'),
  'a mention in a topic': update.inTopic('@EchoMindBot', ADA),
  'a message in a business chat': update.business('Open today?'),
  'an edited one': update.editedBusiness('Open tomorrow?'),
  'a call into another chat': update.asGuest('@EchoMindBot, what do you think?'),
  'a button': update.callback('again'),
  'an inline query': update.inline('cogs'),
}
const free: Readonly<Record<string, update.Content>> = {
  'chatter in a group': update.inGroup('Nice weather 😀'),
  'an edit of it': update.editedInGroup('Nicer weather'),
  'a word that looks like a mention': update.inGroup('Ask @EchoMindBot', { entities: [{ type: 'code', offset: 4, length: 12 }] }),
  'a mention of another bot': update.inGroup('@WeatherBot @EchoMindBotFan'),
  'a command for another bot': update.inGroup('/rain@WeatherBot'),
  'a reply to another bot': update.inGroup('Rain?', replyTo(OTHER_BOT, 'Sun')),
  'a reply to a person who writes about it': update.inGroup('Sure', replyTo(ADA, '@EchoMindBot is nice')),
  'chatter in a topic': update.inTopic('Cogs!', ADA),
  'a post in a channel': update.channelPost('Hear, @EchoMindBot'),
  'an edit of that post': update.editedChannelPost('Hear, hear'),
  'what the bot itself said in a business chat': update.business('We are', { from: BOB, sender_business_bot: BOT }),
  ...update.unlisted,
  ...update.listedAlone,
}

t.test('every kind of update reaches the bot as it came; those that cost nothing are not counted', async (t) => {
  const { bot, post } = await startStage(t)
  let left = 1000
  let id = 1
  for (const [updates, isCounted] of [[cost, true], [free, false]] as const) {
    for (const [name, content] of Object.entries(updates)) {
      const bytes = bytesOf(content, ++id)
      const answer = await post(bytes)
      t.match(answer, { status: 200, left: isCounted ? --left : undefined }, name)
      t.equal(bot.received.at(-1)?.body.toString(), bytes, `${name}: byte for byte`)
      t.strictSame(bot.updates.at(-1), { update_id: id, ...content }, `${name}: the bot's own handlers saw it`)
      t.equal(answer.text, 'callback_query' in content ? JSON.stringify({ callback_query_id: '4382bfdwdsb323b2d9', text: 'Pressed.', method: 'answerCallbackQuery' }) : '', `${name}: the bot's own answer`)
    }
  }
  t.equal(bot.received.at(-1)?.path, PATH)
  t.equal(bot.received.at(-1)?.headers[HEADER], SECRET, 'the bot can look at the secret as well')
  t.match(bot.calls[0], { method: 'sendMessage', chat_id: ADA.id, text: 'Heard by Echo.' })
})

t.test('without the right secret nothing is believed: 401, whatever is sent', async (t) => {
  const { url, post, deliver, reached } = await startStage(t)
  const bytes = bytesOf(update.inPrivate('Hi'), 1)
  for (const headers of [{}, { [HEADER]: '' }, { [HEADER]: `${SECRET}x` }, { [HEADER]: SECRET.toUpperCase() }, { [HEADER]: `${SECRET}, ${SECRET}` }]) {
    const { status, type, text } = await post(bytes, headers)
    t.strictSame([status, type], [401, 'application/json'])
    t.notMatch(text, SECRET)
    t.notMatch(text, 'sendMessage')
  }
  for (const [path, method] of [['/', 'GET'], ['/anything', 'PUT'], ['/hooks/b7e1', 'DELETE']] as const) {
    t.equal((await fetch(url + path, { method })).status, 401)
  }
  const upgrade = connect(Number(new URL(url).port), '127.0.0.1')
  upgrade.write('GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
  const [head] = await once(upgrade, 'data') as [Buffer]
  t.match(head.toString(), /^HTTP\/1\.1 401 /)
  upgrade.destroy()
  t.equal((await post('x'.repeat(4_000_000), {})).status, 401, 'not a byte of the body was asked for')
  t.equal(reached(), 0)
  t.equal((await deliver(update.inPrivate('Hi'))).status, 200)
  t.equal(reached(), 1)
})

t.test('without the bot\'s name every mention, command and reply to a bot counts', async (t) => {
  const { deliver } = await startStage(t, { env: { TELEGRAM_BOT_USERNAME: '' } })
  for (const content of [update.inGroup('@anybody'), update.inGroup('/x@WeatherBot'), update.inGroup('?', replyTo(OTHER_BOT, 'Sun'))]) {
    t.type((await deliver(content)).left, 'number')
  }
  t.equal((await deliver(update.inGroup('Sure', replyTo(ADA, 'Rain.')))).left, undefined)
})

t.test('what Telegram could only send again is at its end; what the bot may yet take is not', async (t) => {
  const { bot, post, deliver, log } = await startStage(t)
  const own = { [HEADER]: SECRET }
  for (const body of ['{', '{"update_id":1,"update_id":2}', `${'['.repeat(5000)}`, `"${'x'.repeat(4_000_000)}"`]) {
    const answer = await post(body)
    t.ok(answer.status === 200 && answer.text === '', body.slice(0, 20))
  }
  t.match(await post('{}', { ...own, 'content-encoding': 'lzma' }), { status: 200, text: '' })
  t.equal(bot.received.length, 0)
  t.ok(log.lines.some(({ message }) => /refus/i.test(message)), 'the operator is told')

  t.match(await deliver(update.inPrivate('crash')), { status: 500, text: '' }, 'the bot\'s own failure')
  await bot.stop()
  const down = await deliver(update.inPrivate('Hi'))
  t.match(down, { status: 502, type: 'application/json' })
  t.match(JSON.parse(down.text), { code: 'UPSTREAM_UNREACHABLE', requestId: String })
})

t.test('the health page that the docs open is open, and nothing else is', async (t) => {
  const page = readFileSync(join(packageRoot(), 'docs', 'telegram-bot.md'), 'utf8')
  const policy = /<!-- health -->\n```yaml\n(.*?)```/s.exec(page)?.[1] ?? ''
  const backend = await startBackend(t, (request, response) => { response.end(`here is ${request.url}`) })
  const { url } = await startProduct(t, { upstream: backend.url, policy, env })
  const ask = async (path: string, method = 'GET') => {
    const answer = await fetch(url + path, { method })
    return [answer.status, answer.status === 200 && await answer.text()]
  }
  t.strictSame(await ask('/health'), [200, 'here is /health'])
  t.strictSame(await ask('/health', 'POST'), [401, false])
  for (const path of ['/', '/healthy', '/health/more', '/hooks%2f..%2fhealth', '/health;x']) t.equal((await ask(path))[0], 401, path)
})
