import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { until } from '../helpers/backends.js'
import { start, type Running } from '../helpers/process.js'
import { JWT_REFRESH_SECRET, JWT_SECRET } from '../helpers/product.js'
import { startRedis } from '../helpers/redis.js'
import { as, ask, openSocket, openStream, operate, say, SOON_MS, startChat, type Caller, type Chat } from './stage.js'

const LEASE_MS = 3000
/** What a busy machine may add to a lease's end before somebody sees it. */
const SLACK_MS = 2500
const ADMIN_TOKEN = 'test-admin-token-0123456789'

const POLICY = `
version: 1
store: { deadline: 5s, onFailure: closed }
concurrency: { messages: { lease: ${LEASE_MS}ms, score: 0 } }
bans: { interval: 10 }
limiters:
  messageIp: { enabled: false }
  flood: { key: user, max: 0, window: 1m, violation: flood, score: 1 }
routes: [{ match: GET /flood, limit: [flood] }]
`

async function startStage (t: Test) {
  const [redis, chat] = await Promise.all([startRedis(t), startChat(t)])
  const env = {
    UPSTREAM_URL: chat.url,
    REDIS_URI: redis.url,
    GATEWAY_TRUST_PROXY: 'loopback',
    JWT_SECRET,
    JWT_REFRESH_SECRET,
    ADMIN_TOKEN,
  }
  const folder = () => ({ config: { 'portcullis.yaml': POLICY } })
  const cwd = t.testdir({ a: folder(), b: folder() })
  const places = { a: { cwd: join(cwd, 'a'), env }, b: { cwd: join(cwd, 'b'), env } }
  const [a, b] = await Promise.all([start(t, places.a), start(t, places.b)])
  return { redis, chat, a, b, places }
}

const flood = async ({ url }: Running, caller: Caller) => (await ask(`${url}/flood`, as(caller))).body['violation_count']
const statusOf = async ({ url }: Running, caller: Caller) => (await ask(`${url}/x`, as(caller))).status

const kill = async ({ child, exit }: Running) => {
  child.kill('SIGKILL')
  await exit
}

/** Says two things there and listens to both. */
async function converse (t: Test, { url }: Running, caller: Caller) {
  const ids = [await say(url, caller), await say(url, caller)].map(({ body }) => String(body['streamId']))
  const streams = await Promise.all(ids.map((id) => openStream(t, `${url}/api/agents/chat/stream/${id}`, as(caller))))
  return { ids, streams }
}

interface Knocking { readonly chat: Chat, readonly isOver?: () => boolean }

/** How often somebody was refused until he was let in, and when that was; while the backend goes on speaking. */
async function knock ({ url }: Running, caller: Caller, { chat, isOver = () => false }: Knocking) {
  let refusals = 0
  await until(async () => {
    chat.speak('on and on')
    const { status } = await say(url, caller)
    if (status === 429) refusals++
    return status === 200 || isOver()
  }, SOON_MS)
  return { refusals, at: performance.now() }
}

t.test('an instance that is killed in the middle of streams leaves nothing but leases, which run out', async (t) => {
  const { chat, a, b } = await startStage(t)
  const [ann, bob] = [{ user: 'ann' }, { user: 'bob' }]
  const hers = await converse(t, a, ann)
  const his = await converse(t, b, bob)
  const socket = await openSocket(t, b.url, as(bob))
  const older = await openStream(t, `${a.url}/api/ask/old`, as({ user: 'carl' }), { text: 'hi' })

  const begun = performance.now()
  const alive = await knock(b, ann, { chat, isOver: () => performance.now() - begun > 2 * LEASE_MS })
  t.ok(alive.refusals > 10 && performance.now() - begun > 2 * LEASE_MS, 'a stream that is seen keeps its slot beyond its lease')

  await kill(a)
  const killedAt = performance.now()
  const after = await knock(b, ann, { chat })
  const freeAfterMs = after.at - killedAt
  t.comment(`slots of the killed instance were free after ${freeAfterMs.toFixed(0)} ms, of a lease of ${LEASE_MS} ms`)
  t.ok(after.refusals > 0, 'not before the lease: its streams may live on elsewhere')
  t.ok(freeAfterMs <= LEASE_MS + SLACK_MS, String(freeAfterMs))
  t.ok(await until(async () => (await say(b.url, ann)).status === 200, LEASE_MS + SLACK_MS), 'both of them')
  t.equal((await say(b.url, ann)).status, 429, 'and no more')
  t.ok(await until(() => [...hers.streams, older].every(({ endedAt }) => endedAt() !== undefined), SOON_MS))

  chat.speak('still here')
  const open = [...his.streams, socket]
  t.ok(await until(() => open.every(({ text }) => text().includes('still here')), SOON_MS), 'the other speaks on')
  t.ok(open.every(({ endedAt }) => endedAt() === undefined))
  t.equal((await say(b.url, bob)).status, 429, 'whose slots are taken as before')
  for (const id of his.ids) chat.finish(id)
  t.ok(await until(async () => (await say(b.url, bob)).status === 200, SOON_MS))
  t.equal(b.child.exitCode, null)
})

t.test('bans and scores outlive the instance that placed them, and a new one takes up its data directory', async (t) => {
  const { a, b, places } = await startStage(t)
  const flooder = { user: 'flo', ip: '198.51.100.1' }
  const banned = { user: 'ben', ip: '198.51.100.2' }
  for (let i = 1; i <= 8; i++) t.equal(await flood(a, flooder), i)
  for (let i = 1; i <= 9; i++) await flood(a, banned)
  // Killed with the tenth answer still on its wire.
  t.match(await ask(`${a.url}/flood`, as(banned)), { status: 429, body: { ban: true } })
  await kill(a)
  t.equal(await flood(b, flooder), 9)
  for (const caller of [banned, { user: 'else', ip: banned.ip }, { ...banned, ip: '198.51.100.3' }]) {
    t.equal(await statusOf(b, caller), 403, JSON.stringify(caller))
  }
  t.equal(await operate({ adminUrl: b.admin, adminToken: ADMIN_TOKEN }, 'POST', '/api/v1/bans', { user: 'dan', duration: '1h' }), 201)

  const next = await start(t, places.a)
  t.equal(await statusOf(next, banned), 403)
  t.equal(await statusOf(next, { user: 'dan', ip: '198.51.100.4' }), 403, 'banned while it was dead')
  t.match(await ask(`${next.url}/flood`, as(flooder)), { status: 429, body: { violation_count: 10, ban: true } })
  t.ok(await until(async () => await statusOf(b, flooder) === 403, SOON_MS))
  const journal = await readFile(join(places.a.cwd, 'data', 'logs.json'), 'utf8')
  const lines = journal.trim().split('\n').map((line) => JSON.parse(line) as { user: string, violation_count: number })
  const counts = lines.filter(({ user }) => user === flooder.user).map(({ violation_count: count }) => count)
  t.same(counts.slice(0, 8), [1, 2, 3, 4, 5, 6, 7, 8], 'and its journal is whole')

  // Both at once, in the middle of work.
  const busy = Promise.allSettled(Array.from({ length: 40 }, (_, i) =>
    ask(`${i % 2 ? next.url : b.url}/flood`, as({ user: 'eve', ip: '198.51.100.9' }))))
  await Promise.all([kill(next), kill(b)])
  await busy
  const [c, d] = await Promise.all([start(t, places.a), start(t, places.b)])
  for (const instance of [c, d]) t.equal(await statusOf(instance, banned), 403)
})
