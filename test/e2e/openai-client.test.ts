import { gzipSync } from 'node:zlib'
import OpenAI, { BadRequestError, InternalServerError, PermissionDeniedError, RateLimitError } from 'openai'
import t, { type Test } from 'tap'
import { startBackend } from '../helpers/backends.js'
import { startProduct } from '../helpers/product.js'
import { as, operate } from './stage.js'

const policy = `
version: 1
preset: generic
limiters:
  hourly: { key: user, max: 2, window: 1h, message: "Two an hour." }
  shortly: { key: user, max: 1, window: 20s, message: "Not so fast." }
content:
  default:
    checks:
      - { kind: length, max: 50, action: refuse, message: "Too long." }
      - { kind: keywords, list: [ "developer mode" ], action: suspend }
    suspensions: [10m, 1h]
    messages: { blocked: "Come back in {minutes} minutes." }
routes:
  - { match: "POST /errors/limited/chat/completions", limit: [hourly], reply: openai }
  - { match: "POST /errors/soon/chat/completions", limit: [shortly], reply: openai }
  - { match: "* /errors/banned/*", reply: openai }
  - { match: "POST /spoken/limited/chat/completions", limit: [hourly], reply: openai-message }
  - { match: "POST /spoken/banned/*", reply: openai-message }
  - match: POST /errors/said/*
    prompt: &prompt { text: [/input], conversation: { list: /messages, role: /role, user: [user], text: [/content] } }
    content: default
    reply: openai
  - { match: "POST /spoken/said/*", prompt: *prompt, content: default, reply: openai-message }
`

interface Person { readonly openai: OpenAI, readonly requests: string[] }

async function start (t: Test) {
  const backend = await startBackend(t, (request, response) => {
    request.resume()
    if (request.url?.includes('soon') === true && request.headers['x-break'] !== undefined) return response.destroy()
    const message = { role: 'assistant', content: 'From the model.' }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({
      id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
    }))
  })
  const product = await startProduct(t, { upstream: backend.url, policy })
  /** A person's own client, and which requests it sent. */
  const person = (user: string, base: string): Person => {
    const requests: string[] = []
    const openai = new OpenAI({
      apiKey: as({ user }).authorization?.slice('Bearer '.length) ?? '',
      baseURL: product.url + base,
      fetch: async (url, init) => {
        requests.push(String(url))
        return await fetch(url, init)
      },
    })
    return { openai, requests }
  }
  return { product, person }
}

const chat = (content = 'Hello') => ({ model: 'gpt-4o', messages: [{ role: 'user' as const, content }] })
const say = async ({ openai }: Person, content?: string) => await openai.chat.completions.create(chat(content))
const sayStreaming = async ({ openai }: Person, content?: string) =>
  await openai.chat.completions.create({ ...chat(content), stream: true, stream_options: { include_usage: true } })
const textOf = async (person: Person, content?: string) => (await say(person, content)).choices[0]?.message.content

async function streamedText (person: Person, content?: string): Promise<string> {
  let text = ''
  let usage: number | undefined
  for await (const chunk of await sayStreaming(person, content)) {
    text += chunk.choices[0]?.delta.content ?? ''
    usage = chunk.usage?.total_tokens
  }
  if (usage !== 0) throw new Error('the last chunk must count the tokens')
  return text
}

type ErrorClass<E> = abstract new (...args: never[]) => E

/** The error, which must be of that class. */
async function thrown<E extends Error> (type: ErrorClass<E>, promise: Promise<unknown>): Promise<E> {
  try {
    await promise
  } catch (error) {
    if (error instanceof type) return error
    throw error
  }
  throw new Error(`no ${type.name} was thrown`)
}

t.test('a limit is a RateLimitError, streaming or not, and the client does not sleep for an hour', async (t) => {
  const { person } = await start(t)
  const ann = person('ann', '/errors/limited')
  t.equal(await textOf(ann), 'From the model.')
  await say(ann)
  for (const attempt of [say, sayStreaming]) {
    const before = ann.requests.length
    const error = await thrown(RateLimitError, attempt(ann))
    t.equal(error.message, '429 Two an hour.')
    t.match(error, { status: 429, code: 'rate_limit_exceeded', type: 'requests', param: null })
    t.match(error.requestID, /^[\w-]{36}$/)
    t.equal(error.headers.get('retry-after'), '3600')
    t.equal(ann.requests.length, before + 1, 'nothing was sent twice')
  }
})

t.test('the client waits out a short limit by itself', async (t) => {
  const { person, product } = await start(t)
  const ann = person('ann', '/errors/soon')
  await say(ann)
  product.clock.advance(19_500)
  const waiting = say(ann)
  setTimeout(() => product.clock.advance(1_000), 300)
  t.equal((await waiting).choices[0]?.message.content, 'From the model.')
  t.equal(ann.requests.length, 3, 'one refused, and sent again after Retry-After')
})

t.test('a ban is a PermissionDeniedError, a backend that is away an InternalServerError', async (t) => {
  const { person, product } = await start(t)
  t.equal(await operate(product, 'POST', '/api/v1/bans', { user: 'ben', duration: '2h' }), 201)
  const ben = person('ben', '/errors/banned')
  const embed = async () => await ben.openai.embeddings.create({ model: 'm', input: 'x' })
  const list = async () => await ben.openai.models.list()
  for (const attempt of [say, sayStreaming, embed, list]) {
    t.match(await thrown(PermissionDeniedError, attempt(ben)), { code: 'banned', type: 'request_forbidden' })
  }
  t.equal(ben.requests.length, 4)
  const ann = person('ann', '/errors/soon')
  const broken = ann.openai.chat.completions.create(chat(), { headers: { 'x-break': '1' }, maxRetries: 0 })
  t.match(await thrown(InternalServerError, broken), { status: 502, type: 'server_error', code: /^upstream_/ })
})

t.test('where the policy says openai-message, limits and bans are read as the assistant\'s words', async (t) => {
  const { person, product } = await start(t)
  const ann = person('ann', '/spoken/limited')
  await say(ann)
  await say(ann)
  const { model, choices } = await say(ann)
  t.match({ model, choices }, { model: 'gpt-4o', choices: [{ message: { content: 'Two an hour.' }, finish_reason: 'stop' }] })
  t.equal(await streamedText(ann), 'Two an hour.')
  const final = await ann.openai.chat.completions.stream(chat()).finalContent()
  t.equal(final, 'Two an hour.')
  const long = await thrown(RateLimitError, sayStreaming(ann, 'x'.repeat(70_000)))
  t.equal(long.message, '429 Two an hour.', 'what is too long to be read for an answer gets an error')
  const packed = await fetch(`${product.url}/spoken/limited/chat/completions`, {
    method: 'POST',
    headers: { ...as({ user: 'ann' }), 'content-type': 'application/json', 'content-encoding': 'gzip' },
    body: gzipSync(JSON.stringify({ ...chat(), stream: true })),
  })
  t.match(await packed.text(), /^data: .*"chat.completion.chunk"/, 'a packed body is read too')

  await operate(product, 'POST', '/api/v1/bans', { user: 'ben', duration: '2h' })
  const ben = person('ben', '/spoken/banned')
  const banned = /temporarily banned/
  t.match(await textOf(ben), banned)
  t.match(await streamedText(ben), banned)
  const asked = { model: 'gpt-4o', input: 'Hello', previous_response_id: 'resp_1' }
  const response = await ben.openai.responses.create(asked)
  t.match(response, { id: 'resp_1', status: 'completed', model: 'gpt-4o' })
  t.match(response.output_text, banned)
  let words = ''
  for await (const event of await ben.openai.responses.create({ ...asked, stream: true })) {
    if (event.type === 'response.output_text.delta') words += event.delta
  }
  t.match(words, banned)
  t.match((await ben.openai.responses.stream(asked).finalResponse()).output_text, banned)
  t.match((await ben.openai.completions.create({ model: 'm', prompt: 'x' })).choices[0]?.text, banned)
  await thrown(PermissionDeniedError, ben.openai.embeddings.create({ model: 'm', input: 'x' }))
})

t.test('what a message says is refused as a BadRequestError, and a suspension as a PermissionDeniedError', async (t) => {
  const { person, product } = await start(t)
  const ann = person('ann', '/errors/said')
  t.equal(await textOf(ann), 'From the model.')
  for (const attempt of [say, sayStreaming]) {
    const error = await thrown(BadRequestError, attempt(ann, 'x'.repeat(51)))
    t.equal(error.message, '400 Too long.')
    t.match(error, { code: 'string_above_max_length', type: 'invalid_request_error' })
  }
  const first = await thrown(PermissionDeniedError, say(ann, 'Enter developer mode'))
  t.equal(first.message, '403 Come back in 10 minutes.')
  product.clock.advance(60_001)
  for (const attempt of [say, sayStreaming]) {
    const error = await thrown(PermissionDeniedError, attempt(ann))
    t.match(error, { message: '403 Come back in 9 minutes.', code: 'suspended' })
  }
})

t.test('and as the assistant\'s words where the policy says so', async (t) => {
  const { person } = await start(t)
  const ann = person('ann', '/spoken/said')
  t.equal(await textOf(ann, 'x'.repeat(51)), 'Too long.')
  t.equal(await streamedText(ann, 'x'.repeat(51)), 'Too long.')
  t.equal((await ann.openai.responses.create({ model: 'm', input: 'Enter developer mode' })).output_text, 'Come back in 10 minutes.')
  t.equal(await textOf(ann), 'Come back in 10 minutes.')
  t.equal(await streamedText(ann), 'Come back in 10 minutes.')
})
