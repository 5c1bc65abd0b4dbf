/** Deliveries that come twice: to any backend, by any policy, on one instance or several. */
import { EventEmitter } from 'node:events'
import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { OnceRule } from '../../src/deliveries/contract.js'
import { createDeliveries } from '../../src/deliveries/deliveries.js'
import type { Exchange } from '../../src/exchange.js'
import type { CounterStore } from '../../src/limits/contract.js'
import { createMemoryStores } from '../../src/stores/memory/memory-stores.js'
import { chargeOf, hitOf, limiterOf, questionOf } from '../contract/limiters.js'
import { startBackend, until } from '../helpers/backends.js'
import { startProduct, testClock, testLog, type Product, type ProductOptions } from '../helpers/product.js'
import { startRedis } from '../helpers/redis.js'
import { exchangeOf } from '../limits/exchanges.js'
import { freshDir, openStores } from '../stores/open-stores.js'

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

t.test('a 2xx head is a delivery, whatever comes behind it; anything else is none, and costs what the backend had of it', async (t) => {
  const hook = await startHook(t)
  const product = await start(t, hook.url)
  const fates: Record<string, [answer: Answer, isDelivered: boolean, counted: number]> = {
    redirect: [(_request, response) => { response.writeHead(302, { location: '/' }).end() }, false, 2],
    refusal: [(_request, response) => { response.writeHead(403).end() }, false, 2],
    failure: [(_request, response) => { response.writeHead(500).end() }, false, 2],
    'no answer': [(request) => { request.socket.destroy() }, false, 0],
    'cut short': [(_request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('half')
      setTimeout(() => { response.destroy() }, 20)
    }, true, 1],
    'no content': [(_request, response) => { response.writeHead(204).end() }, true, 1],
  }
  let left = 1000
  for (const [name, [answer, isDelivered, counted]] of Object.entries(fates)) {
    hook.answer = answer
    const before = hook.came.length
    for (let n = 0; n < 2; n++) await post(product, { id: name }).catch(() => {})
    t.equal(hook.came.length - before, isDelivered ? 1 : 2, name)
    left -= counted
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
  t.match(await third, { status: 200, text: 'done', left: 998 }, 'the backend was at work for the first, too')
  t.equal(hook.came.length, 2)
})

t.test('where nobody is to wait, one that is in flight is told to come again at once', async (t) => {
  const hook = await startHook(t)
  const product = await start(t, hook.url, { policy: POLICY.replace('inFlight: 10m', 'inFlight: 10m, patience: 0') })
  hook.answer = () => {}
  const hangUp = leave(product, { id: 1 })
  t.ok(await until(() => hook.came.length === 1))
  t.equal((await post(product, { id: 1 })).status, 503)
  hangUp()
  hook.answer = (_request, response) => { response.end('done') }
  t.ok(await until(async () => (await post(product, { id: 1 })).status === 200))
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

const redis = await startRedis(t)

t.test('what was in flight when its instance died may be forwarded again once its time is over', async (t) => {
  const hook = await startHook(t)
  const clock = testClock()
  const options = { clock, redis: { url: redis.url, prefix: 'crash' } }
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

t.test('two instances on one Redis forward a delivery once, and tell each other how it went', async (t) => {
  const hook = await startHook(t)
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
  t.equal((await post(a, { id: 4 })).left, 1000 - 5, 'the failed one cost something, too')

  const both = await Promise.all(Array.from({ length: 20 }, (_, n) => post(n % 2 === 0 ? a : b, { id: 5 })))
  t.strictSame(both.map(({ text }) => text).filter((text) => text !== ''), ['done'], 'from both at once')

  await redis.kill()
  t.match(await post(a, { id: 6 }), { status: 200 }, 'without Redis each instance for itself')
  t.match(await post(a, { id: 6 }), { status: 200, text: '' })
})

const RULE: OnceRule = { id: ['id'], knownMs: 3_600_000, inFlightMs: 600_000, patienceMs: 50 }

/** The room alone, on a real store, with little patience. */
async function setUp (t: Test) {
  const clock = testClock()
  const dataDir = t.testdir()
  const stores = await createMemoryStores({ dataDir, clock, log: testLog(), retentionMs: 3_600_000 })
  t.teardown(() => stores.close())
  const errors: Error[] = []
  let ids = 0
  const make = (store = stores.counters) => createDeliveries({
    store, clock, newId: () => String(ids++), refund: () => {}, onStoreError: (error) => { errors.push(error) },
    askEveryMs: 5,
  })
  return { clock, stores, errors, make, dataDir }
}

/** What a process that is killed leaves. */
async function copyOf (t: Test, dataDir: string): Promise<string> {
  const dir = await freshDir(t)
  await cp(dataDir, dir, { recursive: true })
  return dir
}

const delivery = (id: unknown, { destroyed } = { destroyed: false }) => {
  const connection = Object.assign(new EventEmitter(), { destroyed })
  return { ...exchangeOf(), json: { id }, connection }
}

t.test('whoever waits in vain is told to come again, and whoever has left is not waited for', async (t) => {
  const { make, stores } = await setUp(t)
  const { checkFor, release } = make()
  const check = checkFor(RULE)
  const first = delivery(1)
  t.equal(check(first), undefined, 'answered at once')
  t.match(await check(delivery(1)), { kind: 'fault', status: 503, code: 'STILL_IN_FLIGHT' })
  const other = make().checkFor(RULE)
  t.match(await other(delivery(1)), { kind: 'fault', status: 503 }, 'another policy, or process, waits as well')
  let asked = 0
  const decide: CounterStore['decide'] = (question) => {
    asked++
    return stores.counters.decide(question)
  }
  const counted = make({ ...stores.counters, decide })
  const patient = { ...RULE, patienceMs: 1e9 }
  await counted.checkFor(patient)(delivery(1, { destroyed: true }))
  t.equal(asked, 1)
  await counted.checkFor({ ...RULE, patienceMs: 0 })(delivery(1))
  t.equal(asked, 2, 'nor does anybody wait where nobody has to')
  release(first)
  release(first)
  const second = delivery(1)
  t.equal(await check(second), undefined, 'a refused one frees its place')
  t.match(await check(delivery(1)), { status: 503 }, 'and no other')
})

t.test('few wait, each leaves nothing behind, and the rest is told to come again at once', async (t) => {
  const { make } = await setUp(t)
  const { checkFor, observe } = make()
  const check = checkFor({ ...RULE, patienceMs: 60_000 })
  const wire = Object.assign(new EventEmitter(), { destroyed: false }).setMaxListeners(0)
  const waiting = (id: number) => check({ ...delivery(id), connection: wire })
  const fates = async (asked: readonly unknown[]) => {
    const kinds = (await Promise.all(asked)).map((verdict) => (verdict as { kind: string } | undefined)?.kind)
    return ['delivered', 'fault', undefined].map((kind) => kinds.filter((one) => one === kind).length)
  }
  const firsts = Array.from({ length: 11 }, (_, id) => delivery(id))
  for (const first of firsts) t.equal(check(first), undefined)
  const asked = Array.from({ length: 120 }, () => waiting(0))
  t.strictSame(await fates(asked.slice(100)), [0, 20, 0], 'more than a hundred for one')
  t.equal(wire.listenerCount('close'), 100)
  const others = Array.from({ length: 1000 }, (_, n) => waiting(1 + n % 10))
  t.strictSame(await fates(others.slice(900)), [0, 100, 0], 'more than a thousand for all')
  wire.destroyed = true
  wire.emit('close')
  t.strictSame(await fates([...asked.slice(0, 100), ...others.slice(0, 900)]), [0, 1000, 0], 'who leaves waits no more')
  t.equal(wire.listenerCount('close'), 0)
  wire.destroyed = false
  const again = Array.from({ length: 3 }, () => waiting(0))
  observe(firsts[0] as Exchange)?.onHead(200, {})
  t.strictSame(await fates(again), [3, 0, 0], 'there is room again')
})

t.test('what is known is in a file of its own at once, survives kill -9, and pushes out no window of a limiter', async (t) => {
  const { make, stores, dataDir, clock } = await setUp(t)
  const { checkFor, observe } = make()
  const check = checkFor(RULE)
  const daily = limiterOf('daily', { max: 1, windowMs: 86_400_000, persist: true })
  stores.counters.decide(questionOf([hitOf(daily)], clock()))
  const deliver = (id: unknown) => {
    const exchange = delivery(id)
    if (check(exchange) === undefined) observe(exchange)?.onHead(200, {})
  }
  deliver('first')
  const path = join(dataDir, 'deliveries.jsonl')
  const text = () => readFileSync(path, 'utf8')
  t.ok(await until(() => existsSync(path) && text().split('\n').length === 3))
  const { size } = statSync(path)
  deliver('second')
  await stores.flush()
  t.ok(statSync(path).size > size, 'it grows by a line')
  t.notMatch(readFileSync(join(dataDir, 'windows.json'), 'utf8'), /delivered/)
  appendFileSync(path, '{"portcullis:delivered\\nhalf')
  const next = await openStores(t, { dataDir: await copyOf(t, dataDir), clock })
  t.match(make(next.counters).checkFor(RULE)(delivery('second')), { kind: 'delivered' })

  const known = limiterOf('portcullis:delivered', { max: 1, windowMs: RULE.knownMs, persist: true, many: true })
  for (let n = 0; n < 100_000; n++) stores.counters.charge(chargeOf(known, String(n), clock()))
  t.match(await stores.counters.decide(questionOf([hitOf(daily)], clock())), { refused: 0 })
  t.equal(check(delivery('first')), undefined, 'the oldest was given up')
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
