/** Deliveries that come twice: to any backend, by any policy, on one instance or several. */
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createDeliveries } from '../../src/limits/limits.js'
import type { OnceRule } from '../../src/limits/contract.js'
import { createMemoryStores } from '../../src/stores/memory/memory-stores.js'
import { startBackend, until } from '../helpers/backends.js'
import { startProduct, testClock, testLog, type Product, type ProductOptions } from '../helpers/product.js'
import { startRedis } from '../helpers/redis.js'
import { exchangeOf } from './exchanges.js'

const POLICY = `
version: 1
preset: generic
identity: [{ from: ["body:/user"], secretHeader: { name: x-secret, value: "0123456789abcdef" } }]
limiters: { cost: { key: global, max: 1000, window: 1h, algorithm: sliding-window } }
routes:
  - { match: "POST,PUT /hook/:bot", limit: [cost], once: { id: /id, for: 1h, inFlight: 10m } }
`

type Answer = (request: IncomingMessage, response: ServerResponse, body: unknown) => unknown

/** A backend that answers as it is told to, and what came to it. */
async function startHook (t: Test) {
  const came: unknown[] = []
  const hook = { came, url: '', answer: ((_request, response) => { response.end('done') }) as Answer }
  const { url } = await startBackend(t, (request, response) => {
    json(request).then((body) => {
      came.push(body)
      return hook.answer(request, response, body)
    }, () => { response.destroy() })
  })
  return Object.assign(hook, { url })
}

type Options = Partial<ProductOptions>

const start = (t: Test, upstream: string, options: Options = {}) =>
  startProduct(t, { upstream, policy: POLICY, ...options })

async function post ({ url }: Product, body: unknown, path = '/hook/a'): Promise<{ status: number, text: string, left: number | undefined }> {
  const answer = await fetch(url + path, {
    method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', 'x-secret': '0123456789abcdef' },
  })
  const left = answer.headers.get('x-ratelimit-remaining')
  return { status: answer.status, text: await answer.text(), left: left === null ? undefined : Number(left) }
}

t.test('ids are texts or whole numbers, and each target and person has his own', async (t) => {
  const hook = await startHook(t)
  const product = await start(t, hook.url)
  const twice = async (body: unknown, path?: string) => {
    const before = hook.came.length
    for (let n = 0; n < 2; n++) t.match(await post(product, body, path), { status: 200 })
    return hook.came.length - before
  }
  const once = [{ id: 7 }, { id: '7' }, { id: -1 }, { id: 0 }, { id: 'x'.repeat(100_000) }, { id: 7, user: 'ada' }, { id: 7, user: 'bob' }]
  for (const body of once) t.equal(await twice(body), 1, JSON.stringify(body).slice(0, 40))
  t.equal(await twice({ id: 7 }, '/hook/b'), 1, 'another bot counts its own updates')
  const always = [{}, { id: null }, { id: '' }, { id: 1.5 }, { id: 2 ** 60 }, { id: [7] }, { id: { a: 7 } }, { ID: 8 }]
  for (const body of always) t.equal(await twice(body), 2, JSON.stringify(body))
  t.equal((await post(product, { id: 99 })).left, 1000 - (hook.came.length), 'what was answered as delivered was not counted')
})

t.test('many at once are forwarded once', async (t) => {
  const hook = await startHook(t)
  const product = await start(t, hook.url)
  const answer = Promise.withResolvers<undefined>()
  hook.answer = async (_request, response) => {
    await answer.promise
    response.end('done')
  }
  const asked = Array.from({ length: 20 }, () => post(product, { id: 1 }))
  t.ok(await until(() => hook.came.length === 1))
  await sleep(300)
  answer.resolve(undefined)
  const answers = await Promise.all(asked)
  t.strictSame(answers.map(({ status }) => status), Array(20).fill(200))
  t.strictSame(answers.map(({ text }) => text).filter((text) => text !== ''), ['done'])
  t.equal(hook.came.length, 1)
})

t.test('a 2xx head is a delivery, whatever comes behind it; anything else is none and costs nothing', async (t) => {
  const hook = await startHook(t)
  const product = await start(t, hook.url)
  const fates: Record<string, [answer: Answer, isDelivered: boolean]> = {
    redirect: [(_request, response) => { response.writeHead(302, { location: '/' }).end() }, false],
    refusal: [(_request, response) => { response.writeHead(403).end() }, false],
    'no answer': [(request) => { request.socket.destroy() }, false],
    'cut short': [(_request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('half')
      setTimeout(() => { response.destroy() }, 20)
    }, true],
    'no content': [(_request, response) => { response.writeHead(204).end() }, true],
  }
  let left = 1000
  for (const [name, [answer, isDelivered]] of Object.entries(fates)) {
    hook.answer = answer
    const before = hook.came.length
    for (let n = 0; n < 2; n++) await post(product, { id: name }).catch(() => {})
    t.equal(hook.came.length - before, isDelivered ? 1 : 2, name)
    if (isDelivered) left--
  }
  hook.answer = (_request, response) => { response.end() }
  t.equal((await post(product, { id: 'last' })).left, left - 1)
})

t.test('a client that leaves frees the place, be it forwarded, waiting, or waited for', async (t) => {
  const hook = await startHook(t)
  const product = await start(t, hook.url)
  hook.answer = () => {}
  const first = leave(product, { id: 1 })
  t.ok(await until(() => hook.came.length === 1))
  const second = leave(product, { id: 1 })
  await sleep(50)
  second()
  await sleep(300)
  t.equal(hook.came.length, 1, 'who waited and left is not forwarded')
  const third = post(product, { id: 1 })
  await sleep(50)
  hook.answer = (_request, response) => { response.end('done') }
  first()
  t.match(await third, { status: 200, text: 'done', left: 999 })
  t.equal(hook.came.length, 2)
})

t.test('one that is given up before it was forwarded comes again at the price of one', async (t) => {
  const hook = await startHook(t)
  let asked = 0
  const doorman = await startBackend(t, (request, response) => {
    request.resume()
    if (asked++ > 0) response.end('{"choices":[{"message":{"content":"{\\"category\\":\\"DEEP\\"}"}}]}')
  })
  const policy = `${POLICY.replace('once:', 'prompt: { text: /text }, doorman: true, once:')}
doorman: { enabled: true, url: "${doorman.url}", deadline: 5s, cache: 0 }`
  const product = await start(t, hook.url, { policy })
  const hangUp = leave(product, { id: 1, text: 'Hello' })
  t.ok(await until(() => asked === 1))
  hangUp()
  t.match(await post(product, { id: 1, text: 'Hello' }), { status: 200, text: 'done', left: 999 })
  t.equal(hook.came.length, 1)
})

/** Sends a delivery; whoever calls what it answers hangs up. */
function leave ({ url }: Product, body: unknown): () => void {
  const request = httpRequest(`${url}/hook/a`, { method: 'POST', headers: { 'content-type': 'application/json' } })
  request.on('error', () => {})
  request.end(JSON.stringify(body))
  return () => { request.destroy() }
}

t.test('two instances on one Redis forward a delivery once, and tell each other how it went', async (t) => {
  const hook = await startHook(t)
  const redis = await startRedis(t)
  const options = { clock: testClock(), redis: { url: redis.url, prefix: 'once' } }
  const [a, b] = [await start(t, hook.url, options), await start(t, hook.url, options)]
  for (const product of [a, b, a, b]) t.match(await post(product, { id: 1 }), { status: 200 })
  t.equal(hook.came.length, 1)

  const answer = Promise.withResolvers<number>()
  hook.answer = async (_request, response) => { response.writeHead(await answer.promise).end('done') }
  const waiting = [post(a, { id: 2 })]
  t.ok(await until(() => hook.came.length === 2))
  waiting.push(post(b, { id: 2 }))
  await sleep(400)
  t.equal(hook.came.length, 2, 'the other instance waits')
  answer.resolve(200)
  t.match(await Promise.all(waiting), [{ status: 200, text: 'done' }, { status: 200, text: '' }])
  t.equal(hook.came.length, 2)

  hook.answer = (_request, response) => { response.writeHead(500).end() }
  t.match(await post(a, { id: 3 }), { status: 500 })
  hook.answer = (_request, response) => { response.end('done') }
  t.match(await post(b, { id: 3 }), { status: 200, text: 'done' }, 'freed for the other')
  t.equal((await post(a, { id: 4 })).left, 1000 - 4, 'charges of the failed one went back on Redis too')

  const both = await Promise.all(Array.from({ length: 20 }, (_, n) => post(n % 2 === 0 ? a : b, { id: 5 })))
  t.strictSame(both.map(({ text }) => text).filter((text) => text !== ''), ['done'], 'from both at once')

  await redis.kill()
  t.match(await post(a, { id: 6 }), { status: 200 }, 'without Redis each instance for itself')
  t.match(await post(a, { id: 6 }), { status: 200, text: '' })
})

t.test('what was in flight when its instance died may be forwarded again once its time is over', async (t) => {
  const hook = await startHook(t)
  const { url } = await startRedis(t)
  const clock = testClock()
  const options = { clock, redis: { url, prefix: 'crash' } }
  const dying = await start(t, hook.url, options)
  const other = await start(t, hook.url, options)
  hook.answer = () => {}
  post(dying, { id: 1 }).catch(() => {})
  t.ok(await until(() => hook.came.length === 1))
  const waiting = post(other, { id: 1 })
  await sleep(300)
  t.equal(hook.came.length, 1)
  hook.answer = (_request, response) => { response.end('done') }
  clock.advance(10 * 60_000)
  t.match(await waiting, { status: 200, text: 'done' })
  t.equal(hook.came.length, 2)
})

const RULE: OnceRule = { id: ['id'], knownMs: 3_600_000, inFlightMs: 600_000 }

/** The room alone, on a real store, with little patience. */
async function setUp (t: Test) {
  const clock = testClock()
  const stores = await createMemoryStores({ dataDir: t.testdir(), clock, log: testLog(), retentionMs: 3_600_000 })
  t.teardown(() => stores.close())
  const errors: Error[] = []
  let ids = 0
  const make = (store = stores.counters) => createDeliveries({
    store, clock, newId: () => String(ids++), refund: () => {}, onStoreError: (error) => { errors.push(error) },
    askEveryMs: 5, patienceMs: 50,
  })
  return { clock, stores, errors, make }
}

const delivery = (id: unknown, { destroyed } = { destroyed: false }) => {
  const exchange = exchangeOf()
  return { ...exchange, json: { id }, connection: { ...exchange.connection, destroyed } }
}

t.test('whoever waits in vain is told to come again, and whoever has left is not waited for', async (t) => {
  const { make } = await setUp(t)
  const { checkFor, release } = make()
  const check = checkFor(RULE)
  const first = delivery(1)
  t.equal(check(first), undefined, 'answered at once')
  t.match(await check(delivery(1)), { kind: 'fault', status: 503, code: 'STILL_IN_FLIGHT' })
  const other = make().checkFor(RULE)
  t.match(await other(delivery(1)), { kind: 'fault', status: 503 }, 'another policy, or process, waits as well')
  const began = performance.now()
  await check(delivery(1, { destroyed: true }))
  t.ok(performance.now() - began < 40)
  release(first)
  release(first)
  const second = delivery(1)
  t.equal(await check(second), undefined, 'a refused one frees its place')
  t.match(await check(delivery(1)), { status: 503 }, 'and no other')
})

t.test('a place that has run out is no longer its taker\'s to free', async (t) => {
  const { make, clock } = await setUp(t)
  const { checkFor, giveUp } = make()
  const check = checkFor(RULE)
  const [slow, second] = [delivery(1), delivery(1)]
  check(slow)
  clock.advance(RULE.inFlightMs)
  t.equal(await make().checkFor(RULE)(second), undefined)
  giveUp(slow)
  t.match(await check(delivery(1)), { status: 503 }, 'the second one has it')
})

t.test('a store that fails lets everything through and is told of', async (t) => {
  const { make, errors, stores } = await setUp(t)
  const broken = () => { throw new Error('broken') }
  const { checkFor, observe, release } = make({ ...stores.counters, decide: broken, charge: broken, refund: broken })
  const exchange = delivery(1)
  t.equal(checkFor(RULE)(exchange), undefined)
  observe(exchange)?.onHead(200, {})
  release(exchange)
  t.equal(checkFor(RULE)(delivery(1)), undefined)
  t.ok(errors.length >= 3)
})
