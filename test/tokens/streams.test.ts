import OpenAI, { RateLimitError } from 'openai'
import t, { type Test } from 'tap'
import { until } from '../helpers/backends.js'
import { startProduct, type Product } from '../helpers/product.js'
import { startRedis } from '../helpers/redis.js'
import { as, allReady, PATIENT, startPair } from '../e2e/stage.js'
import { PROMPT_TOKENS, startModelApi, type ModelApi } from './model-api.js'

const BUDGET = 1100
const STREAMS = 50

const policyOf = (algorithm: string, more = '') => `${more}
version: 1
preset: openai-api
identity: [ { from: "header:authorization:bearer", jwt: { algorithms: [HS256], secret: "\${JWT_SECRET}", claim: id } } ]
limiters:
  tokenBudget: { enabled: true, key: global, max: ${BUDGET}, window: 1h, algorithm: ${algorithm}, reserve: { maxTokens: 100 } }
`

const clientOf = (url: string) => new OpenAI({
  apiKey: as({ user: 'ann' }).authorization?.slice('Bearer '.length) ?? '', baseURL: `${url}/v1`, maxRetries: 0,
})

const question = { model: 'words-40', messages: [{ role: 'user' as const, content: 'Say forty words, please.' }] }

/** One stream to its end; the tokens that it said it took. */
async function stream (client: OpenAI): Promise<number | 'refused'> {
  try {
    let tokens = 0
    const answer = await client.chat.completions.create({ ...question, stream: true })
    for await (const { usage } of answer) tokens = usage?.total_tokens ?? tokens
    return tokens
  } catch (error) {
    if (error instanceof RateLimitError) return 'refused'
    throw error
  }
}

/** What the next request would see: asked for what never fits, so that nothing is taken. */
async function remaining ({ url }: Product): Promise<number> {
  const { headers, status } = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...as({ user: 'ann' }), 'content-type': 'application/json' },
    body: JSON.stringify({ ...question, max_tokens: 1e308 }),
  })
  if (status !== 429) throw new Error(`${status} instead of a refusal`)
  return Number(/r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1])
}

/** All at once, by turns to each instance, and none ends before all have begun. */
async function prove (t: Test, products: readonly Product[], api: ModelApi): Promise<void> {
  api.holds = true
  const clients = products.map(({ url }) => clientOf(url))
  let refused = 0
  const all = Array.from({ length: STREAMS }, async (_, i) => {
    const tokens = await stream(clients[i % clients.length] as OpenAI)
    if (tokens === 'refused') refused++
    return tokens
  })
  t.ok(await until(() => refused + api.waiting() === STREAMS, 30_000), 'each of them passes or is refused')
  t.equal(api.waiting(), 10, 'a budget for ten admits ten')
  t.ok(await remaining(products[0] as Product) < 110, 'all of it is reserved')
  api.proceed()
  const told = (await Promise.all(all)).filter((tokens) => tokens !== 'refused')
  t.same(told, Array.from({ length: 10 }, () => PROMPT_TOKENS + 40))
  const used = told.reduce((sum, tokens) => sum + tokens, 0)
  for (const product of products) {
    t.ok(await until(async () => BUDGET - await remaining(product) === used, 15_000), 'what was used, exactly')
  }
  t.equal(api.questions.every((one) => one['max_tokens'] === 100 && one.stream_options?.include_usage === true), true)
  t.equal(await stream(clients[0] as OpenAI), PROMPT_TOKENS + 40, 'what was not used is there for others')
}

// What each algorithm gives back, in memory, on Redis and on a Cluster, stands in the contract of the stores.
t.test('50 streams at once on a budget for 10 admit no more than it allows, and settle', async (t) => {
  const api = await startModelApi(t)
  const product = await startProduct(t, { upstream: api.url, policy: policyOf('gcra') })
  await prove(t, [product], api)
})

t.test('the same on two instances of one Redis', async (t) => {
  const [api, { url }] = await Promise.all([startModelApi(t), startRedis(t)])
  const products = await startPair(t, { upstream: api.url, policy: policyOf('sliding-window', PATIENT), redis: { url } })
  t.ok(await allReady(products))
  await prove(t, products, api)
})
