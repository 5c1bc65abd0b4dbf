/** What LibreChat's published client library is told of each refusal, by which the app finds its sentence. */
import t, { type Test } from 'tap'
import { until } from '../helpers/backends.js'
import { startChromium } from '../helpers/chromium.js'
import { openApp, type Tab } from './app/open-app.js'
import type { Failure, Outcome } from './app/types.js'
import { ada, send, setHanzoStage, setStage, statusOf, streamPath } from './stage.js'

const browser = await startChromium(t)
const banText = 'Your account has been temporarily banned due to violations of our service.'

/** A message that is not sent: the app shows the answer, as text, and looks for a type in it. */
async function shownOf (tab: Tab, outcome: Outcome<unknown>) {
  const { status, data } = failureOf(outcome)
  return { status, ...await tab.shown(JSON.stringify(data)) }
}

function failureOf (outcome: Outcome<unknown>): Failure {
  if (outcome.ok) throw new Error(`not refused: ${JSON.stringify(outcome.value)}`)
  return outcome
}

/** An answer of an older generation: the app shows the text of the error event. */
async function lastShown (t: Test, tab: Tab, text: string) {
  const { events, status } = await tab.whole(await tab.ask({ text }))
  t.match(events.map(({ event }) => event), ['message', 'error'])
  t.match(events[0]?.data, { created: true, message: { isCreatedByUser: true } })
  const last = events[1]?.data ?? {}
  t.match(last, { final: true, error: true, isCreatedByUser: false })
  return { status, echoed: events[0]?.data['message'], ...await tab.shown(String(last['text'])) }
}

async function banAda (t: Test, { product, tab }: Awaited<ReturnType<typeof setStage>>): Promise<void> {
  const { id } = await tab.get<{ id: string }>('getUser')
  const answer = await fetch(`${product.adminUrl}/api/v1/bans`, {
    method: 'POST',
    headers: { authorization: `Bearer ${product.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ user: id, duration: '1h' }),
  })
  t.equal(answer.status, 201)
}

t.test('too many messages: the app shows the number and the window', async (t) => {
  const { chat, product, tab } = await setStage(t, 'new', { browser, env: { MESSAGE_IP_MAX: '2' } })
  for (const text of ['one', 'two']) await tab.whole(await tab.follow(streamPath(await send(tab, text))))
  const shown = await shownOf(tab, await tab.say({ text: 'three' }))
  t.match(shown, { status: 429, type: 'message_limit', isKnown: true, json: { max: 2, windowInMinutes: 1, limiter: 'ip' } })
  const { headers } = failureOf(await tab.say({ text: 'four' }))
  t.match(headers, { 'retry-after': /^\d+$/, 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '0' })
  t.equal(chat.count('POST /api/agents/chat/openAI'), 2)
  product.clock.advance(60_001)
  t.equal(await statusOf(tab, 'five'), 200)
})

t.test('too many at once: the app shows how many may be under way', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser })
  const first = await send(tab, 'hold one')
  await send(tab, 'hold two')
  const shown = await shownOf(tab, await tab.say({ text: 'three' }))
  t.match(shown, { status: 429, type: 'concurrent', isKnown: true, json: { limit: 2, pendingRequests: 2 } })
  chat.finish(chat.job(first))
  t.equal(await statusOf(tab, 'four'), 200)
})

t.test('a ban: the app shows its sentence, the session ends, and signing in again says why', async (t) => {
  const stage = await setStage(t, 'new', { browser })
  const { chat, tab, product } = stage
  const stranger = await openApp(t, browser, product.url)
  await banAda(t, stage)
  const sofar = chat.seen.length
  const shown = await shownOf(tab, await tab.say({ text: 'hello' }))
  t.match(shown, { status: 403, type: 'ban', isKnown: true, json: { message: banText, expiresAt: /Z$/ } })
  t.match(await tab.refused('getConversations'), { status: 403, data: { type: 'ban' } }, 'everywhere, not on chat alone')
  const cookies = await tab.context.cookies()
  t.notOk(cookies.find(({ name }) => name === 'refreshToken'), 'the refresh cookie is gone')
  const login = await stranger.refused('login', ada)
  t.match(login, { status: 403, message: /403/, data: { message: banText } })
  t.notMatch(login.data, { reason: /./ }, 'whoever only knows the e-mail learns nothing')
  t.equal(chat.seen.length, sofar, 'the backend saw none of it')
  product.clock.advance(3_600_001)
  await tab.login(ada.email, ada.password)
  t.equal(await statusOf(tab, 'hello again'), 200)
})

t.test('too many uploads, forks, imports, sign-ins: each with the text that the app shows', async (t) => {
  const one = { FILE_UPLOAD_USER_MAX: '1', FORK_IP_MAX: '1', IMPORT_IP_MAX: '1', TTS_USER_MAX: '1', STT_USER_MAX: '1', SHARE_IP_MAX: '1' }
  const { tab } = await setStage(t, 'new', { browser, env: { ...one, LOGIN_MAX: '2' } })
  const file = [{ name: 'file', value: 'x', filename: 'x.txt' }]
  const twice = async (action: () => Promise<Outcome<unknown>>) => {
    await action()
    return failureOf(await action())
  }
  const refused = (message: string) => ({ status: 429, data: { message: `${message} Try again later` } })
  t.match(await twice(() => tab.form('uploadFile', file)), refused('Too many file upload requests.'))
  t.match(await tab.form('uploadFile', file, null, true), { ok: false, message: /Too many file upload requests/ })
  t.match(await twice(() => tab.form('importConversationsFile', file)), refused('Too many conversation import requests.'))
  t.match(await twice(() => tab.form('textToSpeech', [{ name: 'input', value: 'a' }])), { status: 429 })
  t.match(await twice(() => tab.form('speechToText', [{ name: 'audio', value: 'a', filename: 'a' }])), refused('Too many STT requests.'))
  const conversationId = await send(tab, 'hello')
  await tab.get('forkConversation', { conversationId, messageId: 'x' })
  const forked = await tab.refused('duplicateConversation', { conversationId })
  t.match(forked, refused('Too many conversation fork requests.'))
  const { shareId } = await tab.get('createSharedLink', conversationId)
  await tab.get('getSharedMessages', shareId)
  t.match(await tab.refused('getSharedMessages', shareId), refused('Too many shared link requests.'))

  const login = await twice(() => tab.login(ada.email, ada.password))
  const message = 'Too many login attempts, please try again after 5 minutes.'
  t.match(login, { status: 429, message: /429/, data: { message } }, 'the app goes by the number in the error')
})

t.test('the library of 0.7 is refused in frames: the message echoed, then why', async (t) => {
  const stage = await setStage(t, 'old', { browser, env: { MESSAGE_IP_MAX: '4' } })
  const { tab, chat } = stage
  for (const conversationId of ['c1', 'c2']) await tab.ask({ text: 'hold', conversationId })
  t.ok(await until(() => chat.count('POST /api/ask/openAI') === 2, 5_000), 'both are under way')
  const third = await lastShown(t, tab, 'third')
  t.match(third, { status: undefined, type: 'concurrent', json: { limit: 2 }, echoed: { text: 'third' } })
  for (const id of ['c1', 'c2']) await tab.post('/api/ask/openAI/abort', { abortKey: id })
  await tab.whole(await tab.ask({ text: 'fourth' }))
  const fifth = await lastShown(t, tab, 'fifth')
  t.match(fifth, { type: 'message_limit', json: { max: 4, windowInMinutes: 1 }, echoed: { text: 'fifth' } })
  t.equal(chat.count('POST /api/ask/openAI'), 3)
  await banAda(t, stage)
  t.match(await lastShown(t, tab, 'sixth'), { type: 'ban', isKnown: true, json: { type: 'ban' } })
})

t.test('the model that a backend refuses costs what the policy says, and passes unchanged', async (t) => {
  const env = { ILLEGAL_MODEL_REQ_SCORE: '20' }
  const { tab } = await setStage(t, 'old', { browser, env })
  const { events } = await tab.whole(await tab.ask({ text: 'hello', model: 'no-such-model' }))
  t.match(events, [{ event: 'error', data: { text: 'Illegal model request' } }])
  t.match(await tab.refused('getConversations'), { status: 403, data: { type: 'ban', reason: 'illegal_model_request' } })
})

t.test('a guest of Hanzo Chat uses up his messages and is asked to sign in; a member is not', async (t) => {
  const env = { ALLOW_GUEST_CHAT: 'true', GUEST_MESSAGE_MAX: '2' }
  const { issuer, tab } = await setHanzoStage(t, { browser, env })
  await send(tab, 'one')
  t.match(await tab.post('/v1/chat/ask', { q: 'two' }), { ok: true, value: { user: /^guest_[0-9a-f]{32}$/ } })
  const refusal = failureOf(await tab.say({ text: 'three' }))
  const message = 'Guest message limit reached. Log in to continue.'
  t.match(refusal, { status: 402, data: { type: 'GUEST_LIMIT', message } })
  await tab.signedIn(await issuer.token('ada'))
  t.equal(await statusOf(tab, 'four'), 200)
})
