import t, { type Test } from 'tap'
import { until } from '../helpers/backends.js'
import type { Product } from '../helpers/product.js'
import {
  allReady, as, ask, openStream, operate, PATIENT, say, SOON_MS, startChat, startInstance, startPair, TOPOLOGIES,
  TOPOLOGY_NAMES, type Caller, type Topology,
} from './stage.js'

/** Refusals are for asking here, not for being banned by. */
const FREE = { CONCURRENT_VIOLATION_SCORE: '0', LIMIT_MESSAGE_IP: 'false' }

async function startStage (t: Test, topology: Topology) {
  const { url, servers } = await TOPOLOGIES[topology](t)
  const chat = await startChat(t)
  const pair = await startPair(t, { upstream: chat.url, policy: PATIENT, redis: { url }, env: FREE })
  t.ok(await allReady(pair))
  return { pair, chat, url, servers }
}

const streamed = async ({ url }: Product, caller: Caller, stream: unknown, t: Test) =>
  await openStream(t, `${url}/api/agents/chat/stream/${String(stream)}`, as(caller))

const maySpeak = async ({ url }: Product, caller: Caller) => (await say(url, caller)).status === 200

for (const topology of TOPOLOGY_NAMES) {
  t.test(`with ${topology}, two messages are in flight over both instances, and a stream seen on either frees`, async (t) => {
    const { pair: [a, b], chat } = await startStage(t, topology)
    const ann = { user: 'ann' }
    const first = await say(a.url, ann)
    const second = await say(b.url, ann)
    t.same([first.status, second.status], [200, 200])
    for (const { url } of [a, b]) {
      t.match(await say(url, ann), { status: 429, body: { type: 'concurrent', limit: 2, pendingRequests: 2 } })
    }
    t.equal((await say(a.url, { user: 'bob' })).status, 200, 'each has slots of his own')
    const words = await streamed(b, ann, first.body['streamId'], t)
    t.equal(words.status, 200)
    t.equal((await say(a.url, ann)).status, 429, 'a stream that was opened ends nothing')
    chat.finish(String(first.body['streamId']))
    t.ok(await until(() => words.endedAt() !== undefined, SOON_MS))
    t.ok(await until(() => maySpeak(a, ann), SOON_MS), 'said on one, ended on the other')
    t.equal((await say(b.url, ann)).status, 429, 'one slot, not two')

    // Of 40 at once, as many pass as there are slots.
    const eve = { user: 'eve' }
    const rush = await Promise.all(Array.from({ length: 40 }, (_, i) => say(i % 2 === 0 ? a.url : b.url, eve)))
    t.same(rush.map(({ status }) => status).sort(), [200, 200, ...Array(38).fill(429)])
  })

  t.test(`with ${topology}, an answer that streams itself holds its slot on both instances until it ends`, async (t) => {
    const { pair: [a, b], chat } = await startStage(t, topology)
    const ann = { user: 'ann' }
    const old = async ({ url }: Product, name: string) => await openStream(t, `${url}/api/ask/${name}`, as(ann), { text: 'hi' })
    const first = await old(a, 'one')
    await old(b, 'two')
    for (const product of [a, b]) {
      const refused = await old(product, 'three')
      t.ok(await until(() => refused.endedAt() !== undefined, SOON_MS))
      t.match(refused.text(), /concurrent/, 'told in the stream')
    }
    t.equal(chat.reached.length, 2, 'nothing of it reaches the backend')
    t.equal((await say(b.url, ann)).status, 429)
    chat.finish('/api/ask/one')
    t.ok(await until(() => first.endedAt() !== undefined, SOON_MS))
    t.ok(await until(() => maySpeak(b, ann), SOON_MS))
    t.equal((await say(a.url, ann)).status, 429)
  })
}

const WINDOW = (max: number, more = '') => `${PATIENT}${more}
preset: generic
bans: { interval: 3 }
limiters:
  few: { key: user, max: ${max}, window: 10m, score: 0 }
  flood: { key: user, max: 0, window: 1m, violation: flood, score: 1 }
routes:
  - { match: GET /few, limit: [few] }
  - { match: GET /flood, limit: [flood] }
`

const asked = async ({ url }: Product, path: string, caller: Caller) => (await ask(`${url}${path}`, as(caller))).status

t.test('instances follow one another with new policies and new processes, and nothing that was counted is lost', async (t) => {
  const { url, servers: [server] } = await TOPOLOGIES['one Redis'](t)
  const chat = await startChat(t)
  const options = { upstream: chat.url, redis: { url } }
  const [a, b] = await startPair(t, { ...options, policy: WINDOW(4) })
  t.ok(await allReady([a, b]))
  const ann = { user: 'ann' }
  const few = async (product: Product) => await asked(product, '/few', ann)
  t.same([await few(a), await few(b), await few(a), await few(b), await few(a)], [200, 200, 200, 200, 429])

  await a.reload(WINDOW(6))
  t.same([await few(a), await few(b)], [200, 429], 'the same window by the new rule, and by the old one where that holds')
  await b.reload(WINDOW(6))
  t.same([await few(b), await few(b)], [200, 429])
  t.equal(await operate(a, 'POST', '/api/v1/bans', { user: 'carl', duration: '1h' }), 201)
  t.same([await asked(a, '/flood', ann), await asked(a, '/flood', ann)], [429, 429])

  // One goes, another comes with a newer policy on what it left, while the second serves.
  await a.close()
  t.equal(await asked(b, '/few', { user: 'bob' }), 200)
  t.equal(await operate(b, 'POST', '/api/v1/bans', { user: 'dora', duration: '1h' }), 201)
  t.equal(await operate(b, 'DELETE', '/api/v1/bans/user:carl'), 204)
  const next = await startInstance(t, { ...options, policy: WINDOW(7), dataDir: a.dataDir })
  t.ok(await allReady([next, b]))
  t.same([await few(next), await few(next)], [200, 429])
  t.equal(await asked(next, '/x', { user: 'dora' }), 403, 'banned meanwhile')
  t.equal(await asked(next, '/x', { user: 'carl' }), 200, 'lifted meanwhile')
  t.equal(await asked(next, '/flood', ann), 429, 'the third point of three')
  t.ok(await until(async () => await asked(b, '/x', ann) === 403, SOON_MS))

  const keys = (await server?.cli('--scan') ?? '').split('\n')
  t.ok(keys.length >= 6, keys.join())
  t.same(keys.filter((key) => !key.startsWith('portcullis:1:{')), [], 'keys carry their version')
  for (const key of keys) t.ok(Number(await server?.cli('PTTL', key)) > 0, `${key} expires`)
})

t.test('gateways with prefixes of their own on one Redis know nothing of each other', async (t) => {
  const { url, servers: [server] } = await TOPOLOGIES['one Redis'](t)
  const chat = await startChat(t)
  const start = async (prefix: string) => await startInstance(t, {
    upstream: chat.url, redis: { url, prefix }, policy: WINDOW(1, 'mode: enforce'),
  })
  const [blue, green] = await Promise.all([start('blue'), start('green')])
  const twin = await start('blue')
  t.ok(await allReady([blue, green, twin]))
  const ann = { user: 'ann' }
  t.same([await asked(blue, '/few', ann), await asked(twin, '/few', ann), await asked(green, '/few', ann)], [200, 429, 200])
  for (let i = 0; i < 3; i++) t.equal(await asked(blue, '/flood', ann), 429)
  t.ok(await until(async () => await asked(twin, '/x', ann) === 403, SOON_MS))
  t.equal(await asked(green, '/x', ann), 200)
  for (let i = 0; i < 2; i++) t.equal(await asked(green, '/flood', ann), 429)
  t.equal(await asked(green, '/x', ann), 200, 'two points there, not five')
  t.equal(await operate(green, 'POST', '/api/v1/bans', { user: 'bob', duration: '1h' }), 201)
  t.equal(await operate(green, 'DELETE', '/api/v1/bans/user:ann'), 404)
  t.equal(await asked(blue, '/x', { user: 'bob', ip: '192.0.2.2' }), 200)
  t.equal(await asked(twin, '/x', ann), 403)
  const keys = (await server?.cli('--scan') ?? '').split('\n')
  t.same(keys.filter((key) => !/^(blue|green)::portcullis:1:\{/.test(key)), [])
})
