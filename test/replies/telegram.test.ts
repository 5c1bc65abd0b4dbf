import t from 'tap'
import { faultOf } from '../../src/errors.js'
import { faultVerdict, readsBody, render } from '../../src/replies/replies.js'
import type { Verdict } from '../../src/verdict/verdict.js'
import * as update from '../telegram/updates.js'
import { ban, concurrency, content, context, fault, limit, nonBrowser, notAllowed, suspension } from './verdicts.js'

const { ADA, GROUP } = update
const spoken = [limit, concurrency, notAllowed, content, suspension]

function answer (verdict: Verdict, body: unknown = { update_id: 1, ...update.inPrivate('Hi') }) {
  const asked = { ...context, body: body as Record<string, unknown> }
  const { status, headers, body: text } = render(verdict, { dialect: 'telegram', navigation: false, loginUrl: undefined, context: asked })
  const type = new Map(headers).get('content-type')
  return { status, type, json: text === '' ? undefined : JSON.parse(text) as Record<string, unknown> }
}

const nothing = { status: 200, type: undefined, json: undefined }

t.test('a refusal is 200 with the one call that tells it in the chat', async (t) => {
  for (const verdict of spoken) {
    const { status, type, json } = answer(verdict, update.inPrivate('Hi'))
    t.same([status, type], [200, 'application/json'], verdict.kind)
    t.strictSame({ ...json, reply_parameters: undefined }, {
      method: 'sendMessage',
      chat_id: ADA.id,
      text: verdict === limit ? 'You have sent too many requests. Please try again in 30 seconds.' : verdict.message,
      reply_parameters: undefined,
    })
    t.match(json, { reply_parameters: { message_id: Number, allow_sending_without_reply: true } })
    t.ok(readsBody('telegram', verdict))
  }
})

t.test('it is told in the chat of whatever update has one, and in its place there', async (t) => {
  const chatOf = (body: unknown) => answer(limit, body).json?.['chat_id']
  t.strictSame([
    chatOf(update.editedInPrivate('Hi')), chatOf(update.inGroup('Hi')), chatOf(update.channelPost('Hi')),
    chatOf(update.editedChannelPost('Hi')), chatOf(update.callback('yes')),
  ], [ADA.id, GROUP.id, update.CHANNEL.id, update.CHANNEL.id, ADA.id])
  t.match(answer(limit, update.inTopic('Hi', ADA)).json, { chat_id: GROUP.id, message_thread_id: 7 })
  t.match(answer(limit, update.business('Hi')).json, { chat_id: ADA.id, business_connection_id: 'Bc7rq' })
  const direct = { direct_messages_topic: { topic_id: 9 } }
  t.match(answer(limit, update.inGroup('Hi', direct)).json, { direct_messages_topic_id: 9 })
  const thread = answer(limit, update.inGroup('Hi', { message_thread_id: 7 })).json
  t.notOk(thread !== undefined && 'message_thread_id' in thread, 'replies are threads in groups without topics')
})

t.test('where there is no chat, or none that could be named exactly, nothing is said', async (t) => {
  const without = [
    undefined, {}, update.inline('cogs'), ...Object.values(update.unlisted), ...Object.values(update.listedAlone),
    { callback_query: { id: '1', from: ADA, inline_message_id: 'x', data: 'y' } },
    ...[2 ** 53, 1.5, '42', null, undefined].map((id) => ({ message: { message_id: 1, chat: { id } } })),
    { message: [{ chat: { id: 1 } }] }, { message: { chat: 7 } },
  ]
  for (const body of without) t.strictSame(answer(limit, body ?? {}), nothing)
  const id = Number.MAX_SAFE_INTEGER
  t.match(answer(limit, { message: { chat: { id: -id } } }).json, { chat_id: -id, reply_parameters: undefined })
})

t.test('silent refusals, and those that no person reads, are 200 and empty', async (t) => {
  for (const verdict of spoken) {
    t.strictSame(answer({ ...verdict, silent: true }), nothing)
    t.notOk(readsBody('telegram', { ...verdict, silent: true }))
  }
  t.strictSame(answer(nonBrowser), nothing)
  t.strictSame(answer({ ...content, message: ' ' }), nothing, 'no text that Telegram would take')
})

t.test('a ban is told to what its person says to the bot alone', async (t) => {
  t.match(answer(ban).json, { chat_id: ADA.id, text: ban.message })
  for (const elsewhere of [update.inGroup('Hi'), update.editedInPrivate('Hi'), update.callback('yes'), update.business('Hi')]) {
    t.strictSame(answer(ban, elsewhere), nothing)
  }
})

t.test('what will go no better the next time is at its end; the rest keeps its status', async (t) => {
  for (const code of ['MALFORMED_REQUEST', 'BODY_TOO_LARGE', 'INVALID_JSON', 'DUPLICATE_KEYS', 'TOO_DEEP', 'UNSUPPORTED_ENCODING'] as const) {
    t.strictSame(answer(faultVerdict(code)), nothing, code)
  }
  for (const code of ['UPSTREAM_UNREACHABLE', 'UPSTREAM_TIMEOUT', 'STORE_UNAVAILABLE', 'OVERLOADED', 'INTERNAL', 'BODY_TIMEOUT'] as const) {
    const { status, message } = faultOf(code)
    t.strictSame(answer(faultVerdict(code)), { status, type: 'application/json', json: { code, message, requestId: 'req-1' } })
  }
  t.match(answer({ ...fault, code: 'WRONG_SECRET', status: 401 }), { status: 401, json: { code: 'WRONG_SECRET' } })
  t.notOk(readsBody('telegram', fault))
})

t.test('a text is cut where Telegram would refuse it, never within a character', async (t) => {
  const textOf = (message: string) => String(answer({ ...content, message }).json?.['text'])
  t.equal(textOf('a'.repeat(4096)).length, 4096)
  t.equal(textOf('a'.repeat(9000)).length, 4096)
  const family = '👨‍👩‍👧‍👦'
  t.equal(textOf(`${'a'.repeat(4090)}${family} and more`), 'a'.repeat(4090))
  t.equal(textOf(`${'a'.repeat(4095)}😀`), 'a'.repeat(4095))
  t.equal(textOf(`a${'\u0301'.repeat(9000)}`).length, 4096, 'a character without an end')
})
