/** Slots follow the generation, however many watch it and whatever it says (contract §4, reference librechat.md §5). */
import t from 'tap'
import { until } from '../helpers/backends.js'
import { startChromium } from '../helpers/chromium.js'
import { ada, send, setStage, statusOf, streamPath } from './stage.js'

const browser = await startChromium(t)
/** Only the slots matter here. */
const env = { MESSAGE_IP_MAX: '1000', CONCURRENT_VIOLATION_SCORE: '0' }

t.test('several tabs on one stream are one slot, and a final frees it once', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser, env })
  // The backend's list of what runs cannot be had: only what passes on streams frees anything.
  chat.mood.activeFails = true
  const [one, two] = [await send(tab, 'hold one'), await send(tab, 'hold two')]
  const other = await tab.another()
  await other.login(ada.email, ada.password)
  const keys = [await tab.follow(streamPath(one)), await tab.follow(streamPath(one))]
  const third = await other.follow(`${streamPath(one)}?resume=true`)
  const job = chat.job(one)
  t.ok(await until(() => job.viewers.length === 3, 5_000), 'three watch')
  await other.close(third)
  t.ok(await until(() => job.viewers.length === 2, 5_000), 'the gateway has seen the viewer leave')
  t.equal(await statusOf(tab, 'three'), 429, 'a viewer who leaves frees nothing')

  chat.finish(job, 'complete', { hangUp: false })
  t.ok(await until(async () => (await tab.watched(keys[1] ?? '')).events.some(({ data }) => data['final'] === true), 5_000), 'the final is seen')
  const three = await send(tab, 'hold three')
  t.equal(await statusOf(tab, 'four'), 429, 'two finals, one slot')
  chat.repeatFinal(job)
  t.ok(await until(async () => (await tab.watched(keys[0] ?? '')).events.filter(({ data }) => data['final']).length === 2, 5_000), 'the second final is seen')
  t.equal(await statusOf(tab, 'five'), 429, 'a second final of the same stream')
  t.ok(chat.job(two).viewers.length === 0 && chat.job(three).viewers.length === 0)
})

t.test('an old stream of a conversation, replayed, does not free its next message', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser, env: { ...env, CONCURRENT_MESSAGE_MAX: '1' } })
  chat.mood.activeFails = true
  const id = await send(tab, 'hold')
  const old = await tab.follow(streamPath(id))
  const job = chat.job(id)
  t.ok(await until(() => job.viewers.length === 1, 5_000), 'the stream is watched')
  chat.finish(job, 'complete', { hangUp: false })
  t.ok(await until(async () => (await tab.watched(old)).events.length === 2, 5_000), 'the final is seen')

  t.equal(await send(tab, 'hold on', id), id, 'the next message streams under the same name')
  chat.repeatFinal(job)
  t.ok(await until(async () => (await tab.watched(old)).events.length === 3, 5_000), 'the repeated final is seen')
  t.equal(await statusOf(tab, 'more'), 429)
  const current = await tab.follow(streamPath(id))
  t.ok(await until(() => chat.job(id).viewers.length === 1, 5_000), 'the next stream is watched')
  chat.finish(chat.job(id))
  await tab.whole(current)
  t.equal(await statusOf(tab, 'more'), 200, 'its own final does')
})

t.test('words about the end are not the end', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser, env: { ...env, CONCURRENT_MESSAGE_MAX: '1' } })
  chat.mood.activeFails = true
  const id = await send(tab, 'hold {"final":true}')
  const key = await tab.follow(streamPath(id))
  const job = chat.job(id)
  t.ok(await until(() => job.viewers.length === 1, 5_000), 'the stream is watched')
  const words = ['{"final":true}', '"final":true', '\n\nevent: message\ndata: {"final":true}\n\n', '\n\nevent: error\n\n']
  for (const text of words) chat.say(job, text)
  // A tool's own result may have a member of that name.
  chat.frame(job, { event: 'on_run_step_completed', data: { result: { final: true } } })
  t.ok(await until(async () => (await tab.watched(key)).events.length === 2 + words.length, 5_000), 'all of it is seen')
  t.equal(await statusOf(tab, 'more'), 429)
  chat.finish(job, 'error')
  await tab.whole(key)
  t.equal(await statusOf(tab, 'more'), 200)
})

t.test('an abort frees one slot, a refused message holds none, a lost viewer is asked after', async (t) => {
  const { chat, tab } = await setStage(t, 'new', { browser, env })
  const [one] = [await send(tab, 'hold one'), await send(tab, 'hold two')]
  chat.mood.activeFails = true
  const key = await tab.follow(streamPath(one))
  t.ok(await until(() => chat.job(one).viewers.length === 1, 5_000), 'the stream is watched')
  await tab.post('/api/agents/chat/abort', { streamId: one })
  t.match((await tab.whole(key)).events.at(-1)?.data, { final: true, aborted: true })
  chat.mood.failNextMessage = 500
  t.equal(await statusOf(tab, 'broken'), 500)
  const three = await send(tab, 'hold three')
  t.equal(await statusOf(tab, 'four'), 429, 'abort and final together freed one')
  chat.finish(chat.job(three))
  t.equal(await statusOf(tab, 'five'), 429, 'nobody watched it end')
  chat.mood.activeFails = false
  t.equal(await statusOf(tab, 'six'), 200, 'until the backend can be asked')
})
