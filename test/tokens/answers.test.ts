import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { until } from '../helpers/backends.js'
import { startProduct, type ProductOptions } from '../helpers/product.js'
import { startRedis } from '../helpers/redis.js'
import { as, metric } from '../e2e/stage.js'
import { PROMPT_TOKENS, startModelApi, type Question } from './model-api.js'

const MAX = 100_000

const IDENTITY = 'identity: [ { from: "header:authorization:bearer", jwt: { algorithms: [HS256], secret: "access-secret", claim: id } } ]'

const policyOf = (preset: string, more = '') => `
version: 1
preset: ${preset}
${IDENTITY}
limiters:
  tokenBudget: { enabled: true, max: ${MAX}, window: 1h, reserve: { maxTokens: 100 } }
${more}
`

interface Told {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly text: string
  readonly headers: Headers
}

async function open (t: Test, options: Partial<ProductOptions> & { readonly policy: string }) {
  const api = await startModelApi(t)
  const product = await startProduct(t, { upstream: api.url, ...options })
  const ask = async (path: string, question: Question | string, user = 'ann', signal?: AbortSignal): Promise<Told> => {
    const response = await fetch(`${product.url}${path}`, {
      method: 'POST',
      headers: { ...as({ user }), 'content-type': 'application/json' },
      body: typeof question === 'string' ? question : JSON.stringify(question),
      ...signal && { signal },
    })
    const text = await response.text()
    const body = text.startsWith('{') && !text.includes('}\n{') ? JSON.parse(text) as Record<string, unknown> : {}
    return { status: response.status, body, text, headers: response.headers }
  }
  /** Tokens that are taken just now, as a request hears that never fits. */
  const taken = async (path: string, user?: string): Promise<number> => {
    const cap = path.includes('responses') ? { max_output_tokens: 1e300 } : { max_tokens: 1e300, n_predict: 1e300, options: { num_predict: 1e300 } }
    const { headers, status } = await ask(path, { model: 'words-1', ...cap }, user)
    if (status !== 429) throw new Error(`${status} instead of a refusal`)
    return MAX - Number(/r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1])
  }
  return { api, product, ask, taken, last: () => api.questions.at(-1) }
}

const say = [{ role: 'user', content: 'Say something.' }]

const SHAPES = [
  { preset: 'openai-api', path: '/v1/chat/completions', body: { messages: say }, cap: 'max_tokens' },
  { preset: 'openai-api', path: '/v1/responses', body: { input: 'Say something.' }, cap: 'max_output_tokens' },
  { preset: 'openai-api', path: '/v1/messages', body: { messages: say }, cap: 'max_tokens' },
  { preset: 'openai-api', path: '/v1/completions', body: { prompt: 'Say something.' }, cap: 'max_tokens' },
  { preset: 'openai-api', path: '/api/chat', body: { messages: say }, cap: 'options' },
  { preset: 'openai-api', path: '/completion', body: { prompt: 'Say something.' }, cap: 'n_predict' },
  { preset: 'open-webui', path: '/api/chat/completions', body: { messages: say }, cap: 'max_tokens' },
  { preset: 'open-webui', path: '/ollama/api/chat', body: { messages: say }, cap: 'options' },
] as const

for (const { preset, path, body, cap } of SHAPES) {
  t.test(`${preset} ${path}: the cap is written where the API has it, and JSON and streams are settled`, async (t) => {
    const { ask, taken, last } = await open(t, { policy: policyOf(preset) })
    let expected = 0
    for (const stream of [false, true]) {
      t.equal((await ask(path, { model: 'words-12', stream, ...body })).status, 200)
      expected += PROMPT_TOKENS + 12
      t.equal(await taken(path), expected, `stream ${stream}`)
      t.match(last(), { [cap]: cap === 'options' ? { num_predict: 100 } : 100 })
      t.equal(Reflect.has(last() ?? {}, 'stream_options'), stream && path.includes('completions'), 'asked for only where it is known')
    }
    await ask(path, { model: 'words-200', ...body })
    t.equal(await taken(path), expected += PROMPT_TOKENS + 100, 'no answer is longer than its cap')
    await ask(path, { model: 'words-9-long', ...body })
    t.equal(await taken(path), expected + PROMPT_TOKENS + 9, 'an answer that is too long is read at its end')
  })
}

t.test('the client keeps its own cap, and one that is none is replaced', async (t) => {
  const { ask, last, taken } = await open(t, { policy: policyOf('openai-api') })
  const chat = async (part: object) => await ask('/v1/chat/completions', { model: 'words-1', messages: say, ...part })
  await chat({ max_tokens: 7 })
  t.match(last(), { max_tokens: 7 })
  await chat({ max_completion_tokens: 7, max_output_tokens: 5 })
  t.match(last(), { max_tokens: 7, max_completion_tokens: undefined, max_output_tokens: undefined }, 'moved to where every server reads it')
  await chat({ max_completion_tokens: 8, max_tokens: 7 })
  t.match(last(), { max_tokens: 7, max_completion_tokens: 8 }, 'both of them were counted')
  const spellings = [
    [{ max_tokens: 1, Max_Tokens: null }, 1], [{ max_tokens: null, MAX_TOKENS: null }, 100], [{ MAX_TOKENS: 9 }, 100],
  ] as const
  for (const [spelled, cap] of spellings) {
    await chat(spelled)
    t.match(last(), { max_tokens: cap, Max_Tokens: undefined, MAX_TOKENS: undefined }, JSON.stringify(spelled))
  }
  for (const cap of [-1, 0, 0.5, 7.5, '90000', null, true, [], {}]) {
    t.equal((await chat({ max_tokens: cap })).status, 200)
    t.equal(last()?.['max_tokens'], 100, JSON.stringify(cap))
    await chat({ max_completion_tokens: cap })
    t.equal(last()?.['max_tokens'], 100, `newer name: ${JSON.stringify(cap)}`)
    t.ok([undefined, null].includes(last()?.['max_completion_tokens'] as null), 'nothing is left that some backend could read as endless')
  }
  await chat({ stream: true, stream_options: null })
  t.match(last(), { stream_options: { include_usage: true } })
  await chat({ stream: true, stream_options: { include_usage: false, other: 1 } })
  t.match(last(), { stream_options: { include_usage: true, other: 1 } })
  for (const stream of ['true', 'Yes', 1]) {
    await chat({ stream })
    t.match(last(), { stream_options: { include_usage: true } }, `a stream to some servers: ${stream}`)
  }
  const before = await taken('/v1/chat/completions')
  for (const part of [{ max_tokens: 1e308 }, { max_tokens: MAX + 1 }, { max_completion_tokens: 1e12, max_tokens: 5 }, { max_completion_tokens: 1e12 }, { n: MAX }, { n: '99999999', max_tokens: 5 }]) {
    const { status, body, headers } = await chat(part)
    t.match({ status, body }, { status: 429, body: { error: { type: 'tokens', code: 'rate_limit_exceeded', message: /^This request may need \d+ tokens, more than the budget of 100000 tokens ever holds\./ } } }, JSON.stringify(part))
    t.equal(headers.get('retry-after'), null, 'waiting does not help')
  }
  t.equal(await taken('/v1/chat/completions'), before, 'a refusal costs nothing')
  const raw = await ask('/v1/chat/completions', '{"model":"words-1","messages":[],"max_tokens":1e999}')
  t.equal(raw.status, 429, 'more than any number is more than any budget')
  t.equal((await ask('/v1/chat/completions', '{"model":"words-1","max_tokens":1,"max_tokens":99999}')).status, 400, 'said twice')
})

t.test('a cap above what is left is refused, with what is left in the head', async (t) => {
  const { ask, product } = await open(t, {
    policy: `
version: 1
preset: openai-api
limiters: { tokenBudget: { enabled: true, key: global, max: 500, window: 10m, reserve: { maxTokens: 100 } } }
`
  })
  const chat = async (max: number) => await ask('/v1/chat/completions', { model: 'words-300', messages: say, max_tokens: max })
  t.equal((await chat(300)).status, 200)
  const { status, headers, body } = await chat(200)
  t.match({ status, body }, { status: 429, body: { error: { type: 'tokens', message: /^This request may need 2\d\d tokens, and 193 of the budget of 500 are left for now\./ } } })
  t.equal(headers.get('ratelimit-policy'), '"tokenBudget";q=500;qu="tokens";w=600')
  t.match(headers.get('ratelimit'), /^"tokenBudget";r=193;t=600$/)
  t.equal(headers.get('retry-after'), null, 'nobody knows when that will be')
  t.equal((await chat(100)).status, 200, 'less still fits')
  t.ok(await until(async () => await metric(product, 'portcullis_tokens_settled_total{limiter="tokenBudget"}') === 307 + 107))
  t.ok(Number(await metric(product, 'portcullis_tokens_reserved_total{limiter="tokenBudget"}')) >= 400)
  t.equal((await chat(79)).status, 200)
  const last = await chat(1)
  t.match({ status: last.status, body: last.body }, { status: 429, body: { error: { message: 'The budget of 500 tokens is used up for now. Please try again in 10 minutes.' } } })
  t.equal(last.headers.get('retry-after'), '600')
})

t.test('choices, prompts and prompts in tokens are all counted', async (t) => {
  const { ask, api, product } = await open(t, { policy: policyOf('openai-api') })
  let users = 0
  const reserved = async (path: string, part: object): Promise<number> => {
    api.holds = true
    const answer = ask(path, { model: 'words-1', ...part }, `user${users++}`)
    t.ok(await until(() => api.waiting() === 1))
    api.proceed()
    return MAX - Number(/r=(\d+)/.exec((await answer).headers.get('ratelimit') ?? '')?.[1])
  }
  const chat = '/v1/chat/completions'
  const one = await reserved(chat, { messages: say })
  t.equal(await reserved(chat, { messages: say, n: 4 }), one + 300)
  t.ok(await reserved(chat, { messages: say, tools: [{ type: 'function', function: { name: 'x'.repeat(4000) } }] }) > one + 1000)
  t.ok(await reserved(chat, { messages: [{ role: 'system', content: 'You are a parrot. '.repeat(100) }, ...say] }) > one + 400, 'instructions are read too')
  const hidden = 'many words '.repeat(1000)
  const messages: object[] = [
    { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: hidden } }] },
    { role: 'assistant', function_call: { name: 'f', arguments: hidden } },
    { role: 'assistant', content: [{ type: 'tool_use', input: { [hidden]: 1 } }] },
    { role: 'assistant', reasoning_content: hidden },
    { role: 'user', name: hidden, content: 'hi' },
  ]
  const parts = messages.map((message) => ({ messages: [message, ...say] }))
  const beside = [{ documents: [{ text: hidden }] }, { chat_template_kwargs: { x: hidden } }]
  for (const part of [...parts, ...beside.map((more) => ({ messages: say, ...more }))]) {
    t.ok(await reserved(chat, part) > one + 2000, JSON.stringify(part).slice(0, 80))
  }
  const image = randomBytes(300_000).toString('base64')
  for (const url of [image, `data:image/png;base64,${image}`]) {
    const cost = await reserved(chat, { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] })
    t.ok(cost > one + 900 && cost < one + 2500, `${cost} for an image`)
  }
  const old = '/v1/completions'
  t.equal(await reserved(old, { prompt: ['a b c', 'd e f', 'g h i'], max_tokens: 10, best_of: 2, n: 1 }), 9 + 3 * 2 * 10)
  t.equal(await reserved(old, { prompt: [1, 2, 3, 4], max_tokens: 10 }), 4 + 10)
  t.equal(await reserved(old, { prompt: [[1, 2, 3, 4], [5]], max_tokens: 10 }), 5 + 20)
  const long = await reserved(chat, { messages: [{ role: 'user', content: 'many words '.repeat(20_000) }] })
  t.ok(long > 40_000 && long < 80_000, `${long} for 40,000 words`)
  t.ok(product)
})

t.test('an answer that never comes gives everything back, once', async (t) => {
  const path = '/v1/chat/completions'
  const { ask, taken, api, product } = await open(t, {
    policy: `
version: 1
preset: openai-api
${IDENTITY}
limiters:
  tokenBudget: { enabled: true, max: ${MAX}, window: 1h, reserve: { maxTokens: 100 } }
  all: { unit: tokens, key: global, max: 300, window: 1h, reserve: { maxTokens: 50 } }
concurrency: { one: { key: user, max: 1 } }
routes:
  - { match: POST /v1/chat/completions, limit: [tokenBudget], concurrency: one, prompt: &chat { conversation: { list: /messages, role: /role, text: /content } }, reply: openai }
  - { match: POST /both, limit: [tokenBudget, all], prompt: *chat, reply: openai }
`
  })
  const isBack = async (what: string) => t.ok(await until(async () => await taken(path) === 0), what)
  t.equal((await ask(path, { model: 'words-9-500', messages: say })).status, 500)
  await isBack('a backend that fails')
  t.rejects(ask(path, { model: 'words-9-silent', stream: true, messages: say }, 'left', AbortSignal.timeout(200)))
  t.ok(await until(() => api.questions.at(-1)?.model === 'words-9-silent'))
  const promptOnly = async () => { const tokens = await taken(path, 'left'); return tokens > 0 && tokens < 30 }
  t.ok(await until(promptOnly, 5000), 'who leaves at the head pays the prompt')
  await t.rejects(ask(path, { model: 'words-9-never', messages: say }, 'early', AbortSignal.timeout(200)))
  t.ok(await until(async () => await taken(path, 'early') === 0), 'an answer that never comes costs nothing')

  api.holds = true
  const first = ask(path, { model: 'words-9', messages: say })
  t.ok(await until(() => api.waiting() === 1))
  const during = await taken(path)
  t.ok(during > 100)
  t.match((await ask(path, { model: 'words-9', messages: say })).body, { error: { code: 'concurrency_limit_exceeded' } })
  t.equal(await taken(path), during, 'refused by what comes behind it')
  api.proceed()
  await first
  t.ok(await until(async () => await taken(path) === PROMPT_TOKENS + 9))
  for (let i = 0; i < 3; i++) t.equal((await ask('/both', { model: 'words-9', messages: say, max_tokens: 290 })).status, i === 0 ? 200 : 429)
  t.ok(await until(async () => await taken(path) === 2 * (PROMPT_TOKENS + 9)), 'refused by another limiter, only the one that passed counts')
  await product.close()
})

t.test('a stream that is cut costs what came of it, one that tells nothing what can be seen', async (t) => {
  const path = '/v1/chat/completions'
  const { ask, taken, api, product } = await open(t, { policy: policyOf('openai-api') })
  await ask(path, { model: 'words-60-cut', stream: true, messages: say }).catch(() => {})
  t.ok(await until(async () => { const tokens = await taken(path); return tokens > 10 && tokens < 45 }), 'about half of it')
  t.equal((await ask(path, { model: 'words-60-mute', stream: true, messages: say }, 'ben')).status, 200)
  const seen = await taken(path, 'ben')
  t.ok(seen >= 60 && seen < 70, `${seen} for 60 words`)
  t.equal((await ask(path, { model: 'words-60-mute', messages: say }, 'cem')).status, 200)
  t.ok(await taken(path, 'cem') > 100, 'a document that tells nothing keeps its reservation')
  t.equal((await ask(path, { model: 'words-60-gzip', stream: true, messages: say }, 'dan')).status, 200)
  t.ok(await until(async () => await taken(path, 'dan') === PROMPT_TOKENS + 60), 'a coded stream is read as well')
  t.equal(api.heads.at(-1)?.['x-portcullis-tokens'], undefined)
  const messages = '/v1/messages'
  const leave = new AbortController()
  api.holds = true
  const left = ask(messages, { model: 'words-20', stream: true, messages: say }, 'eve', leave.signal)
  t.ok(await until(() => api.waiting() === 1))
  leave.abort()
  await t.rejects(left)
  t.ok(await until(async () => await taken(messages, 'eve') === PROMPT_TOKENS + 1), 'what the beginning told of the prompt')
  api.proceed()
  await product.close()
})

t.test('what settles after its window has ended leaves the next one alone', async (t) => {
  const path = '/v1/chat/completions'
  for (const algorithm of ['fixed-window', 'sliding-window', 'gcra']) {
    const { ask, taken, api, product } = await open(t, {
      policy: policyOf('openai-api').replace('window: 1h', `window: 1m, algorithm: ${algorithm}`),
    })
    api.holds = true
    const late = ask(path, { model: 'words-1', messages: say, max_tokens: 5000 })
    t.ok(await until(() => api.waiting() === 1))
    product.clock.advance(180_000)
    const next = ask(path, { model: 'words-1', messages: say, max_tokens: 3000 })
    t.ok(await until(() => api.waiting() === 2))
    api.proceed(1)
    await late
    t.ok(await taken(path) >= 3000, `${algorithm}: the next one is still reserved in full`)
    api.proceed()
    await next
    t.ok(await until(async () => await taken(path) <= 2 * (PROMPT_TOKENS + 1)), `${algorithm}: and settled`)
  }
})

t.test('by model: each has its own budget, none and several are one, requests can be counted too', async (t) => {
  const redis = await startRedis(t)
  for (const store of [undefined, { url: redis.url }]) {
    const { ask, taken } = await open(t, {
      ...store && { redis: store },
      policy: `
version: 1
preset: openai-api
${IDENTITY}
store: { deadline: 5s }
limiters:
  tokenBudget: { enabled: true, key: [user, model], max: ${MAX}, window: 1h, reserve: { maxTokens: 100 } }
  perModel: { key: model, max: 2, window: 1h }
  byGroup: { key: group, unit: tokens, max: 10, window: 1h }
routes:
  - { match: POST /count/chat, limit: [perModel], reply: openai }
  - { match: POST /count/:model/chat, limit: [perModel], reply: openai }
  - { match: POST /v1/chat/completions, limit: [tokenBudget, byGroup], prompt: { conversation: { list: /messages, role: /role, text: /content } }, reply: openai }
`
    })
    const path = '/v1/chat/completions'
    await ask(path, { model: 'words-3', messages: say })
    await ask(path, { model: 'words-30', messages: say })
    await ask(path, { model: ' WORDS-30 ', messages: say })
    t.ok(await until(async () => await taken(path) === 0), 'a model that nobody used')
    const statuses = async (bodies: readonly object[], at = '/count/chat') =>
      (await Promise.all(bodies.map(async (body) => (await ask(at, body as Question)).status))).sort()
    t.same(await statuses([{ model: 'a' }, { model: 'A' }, { model: 'a ' }]), [200, 200, 429], 'in any case')
    t.same(await statuses([{ model: 'b' }]), [200])
    t.same(await statuses([{}, { model: null }, { model: 5 }, { model: 'x', Model: 'y' }, { model: ['a'] }]), [200, 200, 429, 429, 429])
    t.same(await statuses([{}, {}, {}], '/count/c%2Dd/chat'), [200, 200, 429])
    t.same(await statuses([{}], '/count/c-d/chat'), [429], 'spelled otherwise')
  }
})

t.test('observe mode forwards bodies as they came, and counts', async (t) => {
  const { ask, last } = await open(t, { policy: `${policyOf('openai-api')}mode: observe\n` })
  const raw = '{ "model":"words-1", "messages":[ ] }'
  t.equal((await ask('/v1/chat/completions', raw)).status, 200)
  t.same(last(), { model: 'words-1', messages: [] })
  t.equal((await ask('/v1/chat/completions', { model: 'words-1', messages: [], max_tokens: 1e300 })).status, 200)
})

t.test('without a prompt rule the body is counted by its length, coded or not; a form is, too', async (t) => {
  const { ask, product } = await open(t, {
    policy: `
version: 1
preset: generic
limiters: { cost: { unit: tokens, key: global, max: ${MAX}, window: 1h, reserve: { maxTokens: 100 } } }
routes: [ { match: POST /chat/any, limit: [cost] } ]
`
  })
  const { headers } = await ask('/chat/any', { model: 'words-1', text: 'x'.repeat(4000) })
  t.equal(Math.floor((MAX - Number(/r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1])) / 10), 110)
  const form = await fetch(`${product.url}/chat/any`, {
    method: 'POST', body: new URLSearchParams({ model: 'x'.repeat(4000) }),
  })
  t.match(form.headers.get('ratelimit'), /"cost";r=\d+/)
})
