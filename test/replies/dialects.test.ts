import t from 'tap'
import type { DialectName } from '../../src/policy/contract.js'
import { readsBody, render, renderFrames } from '../../src/replies/replies.js'
import type { Verdict } from '../../src/verdict/verdict.js'
import { ban, concurrency, content, context, fault, limit, nonBrowser, notAllowed, now, suspension } from './verdicts.js'

const rateSuspension = { ...suspension, status: 429, reason: 'rate' as const }
const refusals: readonly Verdict[] = [
  limit, concurrency, ban, nonBrowser, notAllowed, content, suspension, rateSuspension
]
const sentences = new Map<Verdict, string>([
  [limit, 'You have sent too many requests. Please try again in 30 seconds.'],
  [suspension, 'Suspended for 2 minutes.'],
  [rateSuspension, 'Suspended for 2 minutes.'],
])
const sentenceOf = (verdict: Verdict) => sentences.get(verdict) ?? verdict.message

type Request = Partial<typeof context>
const answer = (dialect: DialectName, verdict: Verdict, request: Request = {}) => {
  const options = { dialect, navigation: false, loginUrl: undefined }
  const reply = render(verdict, { ...options, context: { ...context, ...request } })
  return { ...reply, headers: Object.fromEntries(reply.headers) }
}
const chat = { path: '/v1/chat/completions', body: { model: 'gpt-4o', messages: [] } }
const eventsOf = (body: string) => body.trim().split('\n\n').map((event) => event.split('\n'))
const dataOf = (body: string) => eventsOf(body).map((lines) => lines.at(-1)?.slice('data: '.length) ?? '')

t.test('openai: every refusal is an error object of that API, with its status', async (t) => {
  const kinds = refusals.map((verdict) => {
    const reply = answer('openai', verdict)
    const body = JSON.parse(reply.body)
    t.equal(reply.status, verdict.status)
    t.match(reply.headers['content-type'], /^application\/json/)
    t.same(Object.keys(body), ['error'])
    t.same(Object.keys(body.error).sort(), ['code', 'message', 'param', 'type'])
    t.equal(body.error.message, sentenceOf(verdict))
    t.equal(body.error.param, null)
    return [verdict.kind, body.error.type, body.error.code]
  })
  t.same(kinds, [
    ['limit', 'requests', 'rate_limit_exceeded'],
    ['concurrency', 'requests', 'concurrency_limit_exceeded'],
    ['ban', 'request_forbidden', 'banned'],
    ['non-browser', 'request_forbidden', 'non_browser'],
    ['not-allowed', 'request_forbidden', 'not_allowed'],
    ['content', 'invalid_request_error', 'string_above_max_length'],
    ['suspension', 'request_forbidden', 'suspended'],
    ['suspension', 'requests', 'suspended'],
  ])
  t.match(JSON.parse(answer('openai', { ...content, check: 'keywords' }).body), { error: { code: 'content_policy_violation' } })
  t.match(JSON.parse(answer('openai', { ...ban, reason: 'denied' }).body), { error: { code: 'denied' } })
  const broken = answer('openai', fault)
  t.equal(broken.status, 502)
  t.match(JSON.parse(broken.body), { error: { type: 'server_error', code: 'upstream_unreachable' }, requestId: 'req-1' })
})

t.test('clients that retry by themselves are told not to, unless the wait is short and known', async (t) => {
  for (const dialect of ['openai', 'anthropic'] as const) {
    const hint = (verdict: Verdict) => answer(dialect, verdict).headers['x-should-retry']
    t.equal(hint(limit), undefined, 'half a minute')
    t.equal(hint({ ...limit, retryAfterMs: 60_001 }), 'false')
    t.equal(hint(concurrency), 'false', 'nobody knows when')
    t.equal(hint(rateSuspension), 'false')
    t.equal(hint(ban), 'false')
    t.equal(hint(fault), undefined, 'as the client thinks best')
  }
})

t.test('openai-message: every refusal is a chat completion of the model that was asked', async (t) => {
  for (const verdict of refusals) {
    const reply = answer('openai-message', verdict, chat)
    t.equal(reply.status, 200)
    t.match(JSON.parse(reply.body), {
      id: /^chatcmpl-id-/, object: 'chat.completion', created: now / 1000, model: 'gpt-4o', usage: { total_tokens: 0 },
      choices: [{ index: 0, message: { role: 'assistant', content: sentenceOf(verdict) }, finish_reason: 'stop' }],
    })
    t.ok(readsBody('openai-message', verdict))
  }
  t.equal(answer('openai-message', limit, chat).headers['retry-after'], '30')
})

t.test('openai-message: a stream is answered with chunks, and with the usage where it is asked for', async (t) => {
  const body = { ...chat.body, stream: true }
  const reply = answer('openai-message', content, { ...chat, body })
  t.match(reply.headers['content-type'], /^text\/event-stream/)
  const chunks = dataOf(reply.body)
  t.equal(chunks.pop(), '[DONE]')
  const parsed = chunks.map((chunk) => JSON.parse(chunk))
  t.ok(parsed.every(({ id, object, model, usage }) =>
    id === parsed[0].id && object === 'chat.completion.chunk' && model === 'gpt-4o' && usage === undefined))
  t.equal(parsed.map(({ choices }) => choices[0].delta.content ?? '').join(''), content.message)
  t.same(parsed.map(({ choices }) => choices[0].finish_reason), [null, null, 'stop'])
  const counted = dataOf(answer('openai-message', content, {
    ...chat, body: { ...body, stream_options: { include_usage: true } },
  }).body).slice(0, -1).map((chunk) => JSON.parse(chunk))
  t.same(counted.map(({ usage }) => usage?.total_tokens), [undefined, undefined, undefined, 0])
  t.same(counted.at(-1).choices, [])
})

t.test('openai-message: older completions and responses, streaming or not', async (t) => {
  const completions = { path: '/v1/completions/', body: { model: 'm', prompt: 'x' } }
  t.match(JSON.parse(answer('openai-message', ban, completions).body), {
    object: 'text_completion', model: 'm', choices: [{ text: ban.message, finish_reason: 'stop' }],
  })
  const streamed = dataOf(answer('openai-message', ban, { ...completions, body: { stream: true } }).body)
  t.match(JSON.parse(streamed[0] ?? ''), { object: 'text_completion', model: 'unknown', choices: [{ text: ban.message }] })
  t.equal(streamed.at(-1), '[DONE]')

  const responses = { path: '/api/v1/responses', body: { model: 'm', input: 'x', previous_response_id: 'resp_before' } }
  const said = { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: ban.message }] }
  t.match(JSON.parse(answer('openai-message', ban, responses).body), {
    id: 'resp_before', object: 'response', status: 'completed', model: 'm', output: [said],
  }, 'the conversation goes on from the answer before')
  t.match(JSON.parse(answer('openai-message', ban, { ...responses, body: { previous_response_id: {} } }).body).id, /^resp_id-/)
  const events = eventsOf(answer('openai-message', ban, { ...responses, body: { stream: true } }).body)
  const parsed = events.map(([, data = '']) => JSON.parse(data.slice('data: '.length)))
  t.same(parsed.map(({ sequence_number: at }) => at), [0, 1, 2, 3, 4, 5, 6, 7, 8])
  t.same(events.map(([name]) => name), parsed.map(({ type }) => `event: ${type}`))
  t.match(parsed.at(-1), { type: 'response.completed', response: { status: 'completed', output: [said] } })
})

t.test('openai-message: an error where nobody would read an answer, or nobody knows how it is expected', async (t) => {
  const isError = (verdict: Verdict, request: Request) => {
    const { status, body } = answer('openai-message', verdict, request)
    t.equal(status, verdict.status)
    t.type(JSON.parse(body).error.message, 'string')
  }
  isError(ban, { path: '/v1/embeddings', body: { model: 'm' } })
  isError(ban, { path: '/v1/models' })
  isError(limit, { path: chat.path })
  isError(fault, chat)
  isError(ban, { ...chat, upgrade: true })
  t.notOk(readsBody('openai-message', fault))
})

t.test('anthropic: every refusal is an error of that API', async (t) => {
  const types = [...refusals, fault].map((verdict) => {
    const reply = answer('anthropic', verdict)
    t.equal(reply.status, verdict.status)
    t.equal(reply.headers['request-id'], 'req-1')
    const { error, ...rest } = JSON.parse(reply.body)
    t.same(rest, { type: 'error', request_id: 'req-1' })
    t.equal(error.message, sentenceOf(verdict))
    return [verdict.status, error.type]
  })
  t.same(types, [
    [429, 'rate_limit_error'], [429, 'rate_limit_error'], [403, 'permission_error'], [403, 'permission_error'],
    [403, 'permission_error'], [400, 'invalid_request_error'], [403, 'permission_error'], [429, 'rate_limit_error'],
    [502, 'api_error'],
  ])
})

t.test('cheshire-cat: every refusal is a chat message of the Cat\'s, over HTTP and as a frame', async (t) => {
  for (const verdict of refusals) {
    const reply = answer('cheshire-cat', verdict, { path: '/message', headers: { user_id: 'alice' } })
    t.equal(reply.status, 200)
    const text = sentenceOf(verdict)
    const said = JSON.parse(reply.body)
    t.match(said, { type: 'chat', user_id: 'alice', who: 'AI', text, content: text, why: { memory: { episodic: [] } } })
    const frames = renderFrames(verdict, { dialect: 'cheshire-cat', context: { ...context, path: '/ws/bob' } })
    t.same(frames.map((frame) => JSON.parse(frame)), [{ ...said, user_id: 'bob' }])
  }
  t.match(JSON.parse(answer('cheshire-cat', ban, { path: '/ws' }).body), { user_id: 'user' })
  t.equal(answer('cheshire-cat', ban, { path: '/ws/bob', upgrade: true }).status, 403, 'a handshake is refused as one')
})

t.test('cheshire-cat: faults are errors in the Cat\'s own form', async (t) => {
  const reply = answer('cheshire-cat', fault)
  t.equal(reply.status, 502)
  t.match(JSON.parse(reply.body), { detail: { error: fault.message }, requestId: 'req-1' })
  const [frame = ''] = renderFrames(fault, { dialect: 'cheshire-cat', context })
  t.match(JSON.parse(frame), { type: 'error', name: 'UPSTREAM_UNREACHABLE', description: fault.message })
})

t.test('cheshire-cat-agents: every refusal is the agent\'s message, as a run of events or plain', async (t) => {
  for (const verdict of refusals) {
    const text = sentenceOf(verdict)
    const message = { role: 'assistant', content: [{ type: 'text', text }], tool_calls: [], text }
    const plain = answer('cheshire-cat-agents', verdict, { body: { messages: [], stream: false } })
    t.equal(plain.status, 200)
    t.match(JSON.parse(plain.body), { messages: [message], resources: [], args: {} })
    for (const body of [{ stream: true }, {}, undefined]) {
      const streamed = answer('cheshire-cat-agents', verdict, { body })
      t.equal(streamed.status, 200)
      t.match(streamed.headers['content-type'], /^text\/event-stream/)
      t.ok(eventsOf(streamed.body).every((lines) => lines.length === 1), 'the Cat\'s page chokes on named events')
      const events = dataOf(streamed.body).map((data) => JSON.parse(data))
      t.match(events, [
        { type: 'RUN_STARTED', thread_id: '_' }, { type: 'TEXT_MESSAGE_START', role: 'assistant' },
        { type: 'TEXT_MESSAGE_CONTENT', delta: text }, { type: 'TEXT_MESSAGE_END' },
        { type: 'RUN_FINISHED', result: { messages: [message] } },
      ])
      t.equal(events[4].run_id, events[0].run_id)
    }
    t.ok(readsBody('cheshire-cat-agents', verdict))
  }
})

t.test('cheshire-cat-agents: a fault is an error event with its status, or FastAPI\'s detail', async (t) => {
  const streamed = answer('cheshire-cat-agents', fault)
  t.equal(streamed.status, 502)
  t.match(dataOf(streamed.body).map((data) => JSON.parse(data)), [
    { type: 'RUN_ERROR', message: fault.message, code: 'UPSTREAM_UNREACHABLE', requestId: 'req-1' },
  ])
  const plain = answer('cheshire-cat-agents', fault, { body: { stream: false } })
  t.equal(plain.status, 502)
  t.match(JSON.parse(plain.body), { detail: fault.message, requestId: 'req-1' })
})

t.test('librechat and problem tell every refusal\'s sentence and request id', async (t) => {
  for (const verdict of [...refusals, fault]) {
    const text = sentenceOf(verdict)
    t.match(JSON.parse(answer('librechat-json', verdict).body), { message: text, requestId: 'req-1', type: String })
    t.match(JSON.parse(answer('problem', verdict).body), { detail: text, requestId: 'req-1', status: verdict.status })
  }
})

t.test('where a backend has no frames of its own, a refused frame is answered with the members of librechat-json', async (t) => {
  for (const dialect of ['librechat-json', 'librechat-sse', 'problem', 'openai', 'openai-message', 'anthropic', 'cheshire-cat-agents'] as const) {
    const [frame = '', ...more] = renderFrames(suspension, { dialect, context })
    t.same(more, [])
    t.same(JSON.parse(frame), {
      message: 'Suspended for 2 minutes.', type: 'suspension', reason: 'content', expiresAt: '2026-01-02T03:05:06.000Z',
      retryAfterSeconds: 61, requestId: 'req-1',
    })
  }
})
