/** LibreChat's published client library in a real browser, through the gateway, unchanged. */
import t from 'tap'
import { until } from '../helpers/backends.js'
import { startChromium } from '../helpers/chromium.js'
import type { Json } from './app/open-app.js'
import { ada, send, setHanzoStage, setStage, streamPath } from './stage.js'

const browser = await startChromium(t)

t.test('a session: registering, signing in, two factors, tokens renewed ahead and on 401, signing out', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser })
  const wrong = await tab.refused('login', { email: ada.email, password: 'wrong' })
  t.match(wrong, { status: 404, data: { message: 'Incorrect password.' } })
  const bob = { email: 'bob@example.com', password: 'difference', name: 'Bob', twoFactor: true }
  t.match(await tab.get('register', bob), { message: /check your email/ })
  const half = await tab.get<{ twoFAPending: boolean, tempToken: string }>('login', bob)
  t.equal(half.twoFAPending, true)
  const whole = await tab.get('verifyTwoFactorTemp', { tempToken: half.tempToken, token: '123456' })
  t.match(whole, { user: { email: bob.email } })

  await tab.login(ada.email, ada.password)
  t.match(await tab.get('getUser'), { email: ada.email })
  chat.mood.tokensSince = Date.now()
  const [user, conversations] = await Promise.all([tab.get('getUser'), tab.get('getConversations')])
  t.match([user, conversations], [{ email: ada.email }, { conversations: [] }], 'a refused token is renewed unseen')
  t.ok(chat.count('POST /api/auth/refresh') >= 1)
  t.match(await tab.get('logout'), { message: 'Logout successful' })
  chat.mood.tokensSince = Date.now() + 60_000
  // The library leaves the page before anybody hears of the 401.
  const left = tab.page.waitForURL('**/login*')
  await tab.refused('getUser').catch(() => undefined)
  await left
})

t.test('a token that runs out soon is renewed before it does', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser, accessSeconds: 100 })
  t.match(await tab.get('getUser'), { email: ada.email })
  t.equal(chat.count('POST /api/auth/refresh'), 1)
})

t.test('a message is streamed to its final event, watched from two tabs, taken up again, stopped', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser })
  const streamId = await send(tab, 'hello')
  const { events } = await tab.whole(await tab.follow(streamPath(streamId)))
  t.match(events[0], { event: 'message', data: { created: true, streamId } })
  t.match(events.at(-1), { data: { final: true, responseMessage: { text: 'You said: hello', unfinished: false } } })
  const messages = await tab.get<Json[]>('getMessagesByConvoId', streamId)
  t.same(messages.map(({ text }) => text), ['hello', 'You said: hello'])

  const held = await send(tab, 'hold on', streamId)
  t.same(await tab.get('getActiveJobs'), { activeJobIds: [held] })
  const first = await tab.follow(streamPath(held))
  const job = chat.job(held)
  t.ok(await until(() => job.viewers.length === 1), 'the stream is watched')
  chat.say(job, 'so far')
  const other = await tab.another()
  await other.login(ada.email, ada.password)
  const second = await other.follow(`${streamPath(held)}?resume=true`)
  t.ok(await until(async () => (await other.watched(second)).events.length > 0), 'the other tab hears of it')
  const sync = (await other.watched(second)).events[0]
  t.match(sync?.data, { sync: true, resumeState: { aggregatedContent: [{ type: 'text', text: 'so far' }] } })
  t.match(await tab.post('/api/agents/chat/abort', { streamId: held }), { value: { success: true, aborted: held } })
  for (const [each, key] of [[tab, first], [other, second]] as const) {
    t.match((await each.whole(key)).events.at(-1)?.data, { final: true, aborted: true })
  }
  const gone = await tab.whole(await tab.follow(streamPath(held)))
  t.equal(gone.status, 404, 'the app gives a stream up that is gone')
})

t.test('a stream whose token has run out is opened again with a new one', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser })
  const held = await send(tab, 'hold')
  chat.mood.tokensSince = Date.now()
  const key = await tab.follow(streamPath(held))
  t.ok(await until(() => chat.job(held).viewers.length > 0, 5_000), 'the stream is opened with a new token')
  chat.finish(chat.job(held), 'error')
  t.match((await tab.whole(key)).events.at(-1), { event: 'error', data: { error: 'The provider hung up.' } })
})

t.test('conversations, shares, files, speech and settings, as the page uses them', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser })
  t.match(await tab.get('getStartupConfig'), { appTitle: 'LibreChat' })
  t.match(await tab.get('getModels'), { openAI: ['gpt-4o'] })
  t.match(await tab.get('getAIEndpoints'), { openAI: {} })
  const conversationId = await send(tab, 'hello')
  await tab.whole(await tab.follow(streamPath(conversationId)))
  t.match(await tab.get('getConversationById', conversationId), { title: 'hello' })
  t.match(await tab.get('updateConversation', { conversationId, title: 'new' }), { title: 'new' })
  const fork = await tab.get<{ conversation: Json, messages: Json[] }>('forkConversation', { conversationId, messageId: 'x' })
  t.equal(fork.messages.length, 2)
  t.match(await tab.get('duplicateConversation', { conversationId }), { conversation: { title: 'new' } })
  const { shareId } = await tab.get('createSharedLink', conversationId)
  t.match(await tab.get('getSharedMessages', shareId), { messages: [{ text: 'hello' }, {}] })
  t.ok(await tab.get('forkSharedConversation', shareId, {}))
  const old = { name: 'file', value: '{"title":"old","messages":[{"text":"then"}]}', filename: 'old.json' }
  t.match(await tab.form('importConversationsFile', [old]), { ok: true, value: { message: /imported successfully/ } })
  t.equal((await tab.get<{ conversations: Json[] }>('getConversations')).conversations.length, 5)

  const note = [
    { name: 'endpoint', value: 'openAI' },
    { name: 'file', value: 'späte Notiz', filename: 'späte Notiz.txt' },
    { name: 'file_id', value: 'mine' },
  ]
  const uploaded = { filename: 'späte Notiz.txt', bytes: 12, temp_file_id: 'mine' }
  t.match(await tab.form('uploadFile', note), { ok: true, value: uploaded })
  t.match(await tab.form('uploadFile', note, null, true), { ok: true, value: uploaded }, 'as an event stream')
  t.match(await tab.form('uploadImage', note), { ok: true, value: uploaded })
  t.match(await tab.form('speechToText', [{ name: 'audio', value: 'abc', filename: 'a.webm' }]), { value: { text: /3 bytes/ } })
  t.match(await tab.form('textToSpeech', [{ name: 'input', value: 'hello' }]), { value: 5 }, 'bytes stay bytes')
  t.match(await tab.get('callTool', { toolId: 'execute_code', toolParams: {} }), { result: 'ok' })
  t.match(await tab.get('getVoices'), ['alloy'])
  t.match(await tab.refused('getMessagesByConvoId', 'no-such'), { status: 404 })
  t.equal(chat.seen.every(({ headers }) => headers['x-forwarded-for'] === '127.0.0.1'), true)
})

t.test('the library of 0.7: the answer to a message is its stream', async (t) => {
  const { tab, chat } = await setStage(t, 'old', { browser })
  const { events } = await tab.whole(await tab.ask({ text: 'hello' }))
  t.match(events[0]?.data, { created: true, message: { text: 'hello' } })
  t.match(events.at(-1)?.data, { final: true, responseMessage: { text: 'You said: hello' } })
  t.equal(chat.count('POST /api/ask/openAI'), 1)
  chat.mood.tokensSince = Date.now()
  t.match(await tab.get('getConversations'), { conversations: [{ title: 'hello' }] })

  const key = await tab.ask({ text: 'hold', conversationId: 'c1' })
  t.ok(await until(async () => (await tab.watched(key)).events.length === 1, 5_000), 'the answer has begun')
  t.match(await tab.post('/api/ask/openAI/abort', { abortKey: 'c1:me' }), { ok: true })
  t.match((await tab.whole(key)).events.at(-1)?.data, { final: true, responseMessage: { unfinished: true } })
})

t.test('Hanzo Chat: members of an OpenID provider, under its own paths', async (t) => {
  const { issuer, chat, tab } = await setHanzoStage(t, { browser })
  await tab.signedIn(await issuer.token('ada'))
  t.match(await tab.get('getUser'), { id: 'ada' })
  const streamId = await send(tab, 'hello')
  const { events } = await tab.whole(await tab.follow(`/v1/chat/agents/chat/stream/${streamId}`))
  t.match(events.at(-1)?.data, { final: true, responseMessage: { text: 'You said: hello' } })
  t.match(await tab.post('/v1/chat/ask', { q: 'bees' }), { value: { answer: 'About bees', user: 'ada' } })
  t.match(await tab.post('/v1/chat/agents/cloud/one/run', { input: 'go' }), { value: { output: 'done' } })
  t.match(await tab.get('getConversations'), { conversations: [{ title: 'hello' }] })
  t.equal(chat.seen.every(({ path }) => path.startsWith('/v1/chat/') || path === '/favicon.ico'), true)
})
