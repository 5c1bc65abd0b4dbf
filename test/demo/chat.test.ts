import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createDemoBackend } from '../../src/demo/demo-backend.js'
import { allEvents, bodyOf, collect, eventsOf, secrets, startDemo, textOf, type Body, type Demo, type DemoUser } from './demo.js'

interface Started { streamId: string, conversationId: string, status: string }

async function say (demo: Demo, user: DemoUser, body: Body): Promise<Started> {
  const { streamId, conversationId, status } = await bodyOf(demo.post('/api/agents/chat/demo', body, user.headers))
  return { streamId: String(streamId), conversationId: String(conversationId), status: String(status) }
}

const streamOf = (demo: Demo, user: DemoUser, { streamId }: Started, query = '') =>
  demo.get(`/api/agents/chat/stream/${streamId}${query}`, user.headers)

const activeOf = async (demo: Demo, user: DemoUser) =>
  (await bodyOf(demo.get('/api/agents/chat/active', user.headers)))['activeJobIds']

t.test('a message is answered with a stream id at once, and streamed word by word elsewhere', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  const started = await say(demo, user, { text: 'good day', conversationId: null, messageId: 'm-1' })
  t.match(started, { streamId: /^[0-9a-f-]{36}$/, status: 'started' })
  t.equal(started.streamId, started.conversationId)

  const response = await streamOf(demo, user, started)
  t.match(response.headers.get('content-type'), /^text\/event-stream/)
  const events = await allEvents(response)
  t.ok(events.every(({ name }) => name === 'message'))
  t.match(events[0]?.data, { created: true, streamId: started.streamId, message: { messageId: 'm-1', text: 'good day' } })
  t.ok(events.length > 5, 'several deltas')
  t.equal(textOf(events), 'You said: “good day”. What else?')
  const final = events.at(-1)?.data
  t.match(final, { final: true, requestMessage: { messageId: 'm-1' }, responseMessage: { parentMessageId: 'm-1' } })
  t.match(final, { responseMessage: { text: textOf(events), unfinished: false } })
  t.equal(events.filter(({ data }) => data['final']).length, 1)

  const gone = await streamOf(demo, user, started)
  t.equal(gone.status, 404, 'finished answers are dropped')
  t.match(await bodyOf(gone), { error: 'Stream not found', message: String })
  t.same(await bodyOf(demo.get(`/api/agents/chat/status/${started.streamId}`, user.headers)), { active: false })
})

t.test('what was said is kept in conversations, for their owner only', async (t) => {
  const demo = await startDemo(t)
  const [ada, eve] = [await demo.user('ada'), await demo.user('eve')]
  const first = await say(demo, ada, { text: 'one' })
  await allEvents(streamOf(demo, ada, first))
  await allEvents(streamOf(demo, ada, await say(demo, ada, { text: 'two', conversationId: first.streamId })))
  const id = first.conversationId

  const messages = await (await demo.get(`/api/messages/${id}`, ada.headers)).json() as Body[]
  t.same(messages.map(({ text }) => text),
    ['one', 'You said: “one”. What else?', 'two', 'You said: “two”. What else?'])
  t.match(await bodyOf(demo.get('/api/convos', ada.headers)), { conversations: [{ conversationId: id, title: 'one' }] })
  t.match(await bodyOf(demo.get(`/api/convos/${id}`, ada.headers)), { conversationId: id })

  t.same((await bodyOf(demo.get('/api/convos', eve.headers)))['conversations'], [])
  for (const path of [`/api/convos/${id}`, `/api/messages/${id}`]) {
    t.equal((await demo.get(path, eve.headers)).status, 404)
    t.equal((await demo.get(path)).status, 401)
  }
  const intruding = await demo.post('/api/agents/chat/demo', { text: 'x', conversationId: id }, eve.headers)
  t.equal(intruding.status, 403)
})

t.test('several viewers see one stream; one who leaves ends nothing, one who comes back resumes', async (t) => {
  const demo = await startDemo(t, { tokenDelayMs: 30 })
  const user = await demo.user('ada')
  const started = await say(demo, user, { text: 'a b c d e f g h i j k l m n o p q r s t' })
  const early = allEvents(streamOf(demo, user, started))

  const leaver = new AbortController()
  const left = await fetch(`${demo.url}/api/agents/chat/stream/${started.streamId}`, {
    headers: user.headers, signal: leaver.signal,
  })
  let seen = 0
  for await (const event of eventsOf(left)) if (event.name === 'message' && ++seen === 6) break
  leaver.abort()
  t.same(await activeOf(demo, user), [started.streamId], 'the answer goes on')
  const status = await bodyOf(demo.get(`/api/agents/chat/status/${started.streamId}`, user.headers))
  t.match(status, { active: true, status: 'running', streamId: started.streamId, resumeState: { userMessage: {} } })

  const resumed = await allEvents(streamOf(demo, user, started, '?resume=true'))
  const sync = resumed[0]?.data as { sync: true, resumeState: { aggregatedContent: Array<{ text: string }> } }
  t.equal(sync.sync, true)
  const caughtUp = sync.resumeState.aggregatedContent[0]?.text ?? ''
  t.match(caughtUp, /^You said: “a/)
  const whole = textOf(await early)
  t.equal(caughtUp + textOf(resumed), whole)
  t.match(whole, /q r s t”/)
  t.same(await activeOf(demo, user), [])
})

t.test('an answer goes on and ends with nobody looking', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  const started = await say(demo, user, { text: 'alone' })
  t.same(await activeOf(demo, user), [started.streamId])
  while ((await activeOf(demo, user) as string[]).length > 0) await sleep(20)
  const messages = await (await demo.get(`/api/messages/${started.streamId}`, user.headers)).json() as Body[]
  t.equal(messages[1]?.['text'], 'You said: “alone”. What else?')
})

t.test('an abort ends the answer with a final frame and frees its place first', async (t) => {
  const demo = await startDemo(t)
  const [ada, eve] = [await demo.user('ada'), await demo.user('eve')]
  const abort = (user: DemoUser, body: Body) => demo.post('/api/agents/chat/abort', body, user.headers)
  const started = await say(demo, ada, { text: '[slow:60] please' })
  const events = eventsOf(await streamOf(demo, ada, started))
  await events.next()

  t.equal((await streamOf(demo, eve, started)).status, 403)
  t.equal((await demo.get(`/api/agents/chat/status/${started.streamId}`, eve.headers)).status, 403)
  t.equal((await abort(eve, { streamId: started.streamId })).status, 403)
  t.same(await activeOf(demo, eve), [])

  t.same(await bodyOf(abort(ada, { abortKey: `${started.streamId}:x` })), { success: true, aborted: started.streamId })
  t.same(await activeOf(demo, ada), [])
  const rest = await collect(events)
  t.match(rest.at(-1)?.data, { final: true, aborted: true, responseMessage: { unfinished: true } })

  const missing = await abort(ada, { streamId: started.streamId })
  t.equal(missing.status, 404)
  t.same(await bodyOf(missing), { error: 'Job not found', streamId: started.streamId })

  const [older, newer] = [await say(demo, ada, { text: '[slow:60]' }), await say(demo, ada, { text: '[slow:60]' })]
  t.same(await activeOf(demo, ada), [newer.streamId, older.streamId])
  t.equal((await bodyOf(abort(ada, { conversationId: 'new' })))['aborted'], newer.streamId, 'unknown: the newest')
})

t.test('a repeated clientRequestId gets the running stream, a new message in its conversation replaces it', async (t) => {
  const demo = await startDemo(t)
  const [ada, eve] = [await demo.user('ada'), await demo.user('eve')]
  const first = await say(demo, ada, { text: '[slow:60]', clientRequestId: 'r:1' })
  t.same(await say(demo, ada, { text: '[slow:60]', clientRequestId: 'r:1' }), first)
  t.not((await say(demo, eve, { text: '[slow:60]', clientRequestId: 'r:1' })).streamId, first.streamId)

  const watched = allEvents(streamOf(demo, ada, first))
  await sleep(100)
  const second = await say(demo, ada, { text: 'quick', conversationId: first.streamId })
  t.equal(second.streamId, first.streamId)
  t.match((await watched).at(-1)?.data, { final: true, aborted: true })
  t.equal(textOf(await allEvents(streamOf(demo, ada, second))), 'You said: “quick”. What else?')
})

t.test('an answer can break off with an error event', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  const events = await allEvents(streamOf(demo, user, await say(demo, user, { text: '[fail] now' })))
  t.equal(events.at(-1)?.name, 'error')
  t.match(events.at(-1)?.data, { error: String })
})

t.test('[slow:SECONDS] lasts as long as it says, and "long" is long', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  const startedAt = Date.now()
  await allEvents(streamOf(demo, user, await say(demo, user, { text: '[slow:1] hello' })))
  const tookMs = Date.now() - startedAt
  t.ok(tookMs > 900 && tookMs < 3_000, `${tookMs} ms`)
  const long = textOf(await allEvents(streamOf(demo, user, await say(demo, user, { text: 'something long' }))))
  t.ok(long.length > 1_000)
})

t.test('the older generations stream on the request itself and stop with their viewer', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  for (const path of ['/api/ask/openAI', '/api/edit/openAI', '/api/bedrock/chat', '/api/assistants/v2/chat']) {
    const response = await demo.post(path, { text: 'good day' }, user.headers)
    t.match(response.headers.get('content-type'), /^text\/event-stream/, path)
    const events = await allEvents(response)
    t.match(events[0]?.data, { created: true, message: { text: 'good day' } })
    t.match(events.at(-2)?.data, { message: true, text: 'You said: “good day”. What else?' })
    t.match(events.at(-1)?.data, { final: true, responseMessage: { text: 'You said: “good day”. What else?' } })
  }
  t.equal((await allEvents(demo.post('/api/ask/x', { text: '[fail]' }, user.headers))).at(-1)?.name, 'error')

  const leaver = new AbortController()
  const response = await fetch(`${demo.url}/api/ask/demo`, {
    method: 'POST',
    headers: { ...user.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ text: '[slow:1]', conversationId: 'left-early' }),
    signal: leaver.signal,
  })
  await eventsOf(response).next()
  leaver.abort()
  // One that was asked for later and takes as long is whole: the other would be too.
  await allEvents(demo.post('/api/ask/demo', { text: '[slow:1]' }, user.headers))
  const messages = await (await demo.get('/api/messages/left-early', user.headers)).json() as Body[]
  t.equal(messages.length, 1, 'there is no answer')
})

t.test('bad messages are refused before anything starts', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  for (const body of [
    {}, { text: '' }, { text: 7 }, { text: 'x', conversationId: '../x' }, { text: 'x', conversationId: 7 },
    { text: 'x', clientRequestId: 'a b' }, { text: 'x', messageId: 'y'.repeat(65) }, [], 'text',
  ]) {
    t.equal((await demo.post('/api/agents/chat/demo', body, user.headers)).status, 400, JSON.stringify(body))
  }
  t.equal((await demo.post('/api/agents/chat/demo', { text: 'x'.repeat(4_000_000) }, user.headers)).status, 413)
  t.equal((await demo.post('/api/agents/chat/demo', { text: 'x' })).status, 401)
  t.same(await activeOf(demo, user), [])
})

t.test('letter case and a trailing slash lead to the same handler, as in Express', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  for (const path of ['/API/Agents/CHAT/demo', '/api/agents/chat/demo/', '/api/agents/chat']) {
    t.equal((await demo.post(path, { text: 'x' }, user.headers)).status, 200, path)
  }
})

t.test('the server stops at once, with answers under way', async (t) => {
  const account = { email: 'ada@example.com', name: 'Ada', password: 'password' }
  const backend = await createDemoBackend({ ...secrets, clock: Date.now, account })
  const url = await backend.listen({ host: '127.0.0.1', port: 0 })
  const headers = { 'content-type': 'application/json' }
  const login = JSON.stringify(account)
  const { token } = await bodyOf(fetch(`${url}/api/auth/login`, { method: 'POST', headers, body: login }))
  const authorization = `Bearer ${String(token)}`
  const { streamId } = await bodyOf(fetch(`${url}/api/agents/chat/demo`, {
    method: 'POST', headers: { ...headers, authorization }, body: '{"text":"[slow:600]"}',
  }))
  const events = allEvents(fetch(`${url}/api/agents/chat/stream/${String(streamId)}`, { headers: { authorization } }))
  const direct = allEvents(fetch(`${url}/api/ask/x`, {
    method: 'POST', headers: { ...headers, authorization }, body: '{"text":"[slow:600]"}',
  })).catch(() => 'cut')
  await sleep(100)
  await backend.close()
  t.match((await events).at(-1)?.data, { final: true, aborted: true })
  t.equal(await direct, 'cut')
})
