/** Reference librechat.md §10, statements 9–21: when violations become a ban, whom it holds, and how it ends. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ObjectId } from 'mongodb'
import t from 'tap'
import { until } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import { startRedis } from '../helpers/redis.js'
import { allReady } from '../e2e/stage.js'
import { openShell } from '../stores/mongo-rig.js'
import {
  ban, BAN_TEXT, HOUR, listBans, journal, operate, say, sayTimes, setStage, slow, startBehindProxy, statusOf,
} from './statements/stage.js'

const ann = { user: 'ann', ip: '203.0.113.1' }
const annElsewhere = { user: 'ann', ip: '198.51.100.7' }
const bob = { user: 'bob', ip: '203.0.113.1' }
const bobElsewhere = { user: 'bob', ip: '198.51.100.7' }
/** Every message is a violation. */
const NOTHING_PASSES = { MESSAGE_IP_MAX: '0' }
/** Every message of a script is worth a ban. */
const SCRIPT = { agent: 'curl/8' }
const LASTING = { ...NOTHING_PASSES, VIOLATION_SCORE_TTL: '0' }

t.test('9. Given score 1, interval 20, when the 20th violation of one type occurs, then a ban is written for user and IP', async (t) => {
  const { product } = await setStage(t, { env: NOTHING_PASSES })
  t.same(await sayTimes(product, ann, 19), { 429: 19 })
  t.same(await listBans(product), [])
  t.match((await say(product, ann)).body, { violation_count: 20, ban: true, ban_duration: 2 * HOUR })
  t.match((await listBans(product)).toSorted((a, b) => a.subject < b.subject ? -1 : 1), [
    { subject: 'ip:203.0.113.1', violation: 'message_limit', score: 20, linked: ['user:ann'] },
    { subject: 'user:ann', violation: 'message_limit', score: 20, linked: ['ip:203.0.113.1'] },
  ])
  t.match(await readFile(join(product.dataDir, 'bans.json'), 'utf8'), /user:ann/)
})

t.test('10. Given 19 message and 19 concurrent violations, then no ban', async (t) => {
  const { product } = await setStage(t, { env: { CONCURRENT_MESSAGE_MAX: '1', MESSAGE_IP_MAX: '20' } })
  t.equal((await slow(product, ann)).status, 200)
  for (let i = 1; i < 20; i++) t.match((await slow(product, ann)).body, { type: 'concurrent', violation_count: i })
  for (let i = 1; i < 20; i++) t.match((await slow(product, ann)).body, { type: 'message_limit', violation_count: i })
  t.equal(await statusOf(product, ann), 200)
  t.match((await slow(product, ann)).body, { type: 'message_limit', ban: true }, 'the 20th of either type is one')
})

t.test('11. Given prev 19 and score 20 (→39), then exactly one ban; at 40 another', async (t) => {
  const { product } = await setStage(t, { env: { VIOLATION_SCORE_TTL: '0' } })
  const breach = async (score: number) => {
    await product.reload(`limiters: { messageIp: { max: 0, score: ${score} } }`)
    return (await say(product, ann)).body
  }
  t.notOk((await breach(19))['ban'])
  t.match(await breach(20), { prev_count: 19, violation_count: 39, ban: true })
  t.equal((await listBans(product)).length, 2, 'the user and the address, once')
  await operate(product, 'DELETE /api/v1/bans/user:ann?keepScore=true')
  t.same(await listBans(product), [])
  t.match(await breach(1), { prev_count: 39, violation_count: 40, ban: true })
  t.ok(await until(async () => (await journal(product)).filter((line) => line['ban'] === true).length === 2, 5_000))
})

t.test('12. Given prev 20 after an expired ban, when count becomes 21..39, then no ban', async (t) => {
  const { product } = await setStage(t, { env: LASTING })
  await sayTimes(product, ann, 20)
  t.equal((await say(product, ann)).status, 403)
  product.clock.advance(2 * HOUR)
  for (let count = 21; count <= 39; count++) {
    const { status, body } = await say(product, ann)
    t.equal(status, 429)
    t.match(body, { violation_count: count, ban: undefined })
  }
  t.match((await say(product, ann)).body, { violation_count: 40, ban: true })
})

t.test('13. Given BAN_DURATION="1000 * 60 * 60 * 2", then 7 200 000; given "2h", then 7 200 000 (adapted: units are read ' +
  'and nonsense is an error)', async (t) => {
  for (const [BAN_DURATION, expected] of [['1000 * 60 * 60 * 2', 7_200_000], ['2h', 7_200_000], ['3h', 10_800_000]] as const) {
    const { product } = await setStage(t, { env: { BAN_DURATION } })
    t.match((await say(product, { ...ann, ...SCRIPT })).body, { ban_duration: expected }, BAN_DURATION)
    t.equal((await listBans(product)).length, 2)
    product.clock.advance(expected - 1)
    t.equal(await statusOf(product, ann), 403)
    product.clock.advance(1)
    t.equal(await statusOf(product, ann), 200)
  }
  await t.rejects(setStage(t, { env: { BAN_DURATION: 'two hours' } }), { message: /BAN_DURATION.*two hours.*default/s })
})

t.test('14. Given BAN_DURATION=0, then no ban record and requests pass', async (t) => {
  const { product } = await setStage(t, { env: { BAN_DURATION: '0' } })
  t.match((await say(product, { ...ann, ...SCRIPT })).body, { violation_count: 20, ban: undefined })
  t.same(await listBans(product), [])
  t.equal((await say(product, ann)).status, 200)
})

t.test('15. Given BAN_VIOLATIONS=false, then violations still count and log, never ban, and existing records are ignored ' +
  '(adapted: manual bans hold, and existing ones again when it is true again)', async (t) => {
  const first = await setStage(t)
  const { clock, dataDir } = first.product
  await say(first.product, { ...ann, ...SCRIPT })
  await first.product.close()
  const again = async (value: string) =>
    await startBehindProxy(t, { upstream: first.chat.url, clock, dataDir, env: { BAN_VIOLATIONS: value } })
  const off = await again('false')
  t.equal(await statusOf(off, ann), 200)
  t.match((await say(off, { ...ann, ...SCRIPT })).body, { prev_count: 20, violation_count: 40, ban: undefined })
  t.ok(await until(async () => (await journal(off)).length === 2, 5_000))
  await ban(off, 'bob')
  t.equal(await statusOf(off, bob), 403)
  await off.close()
  t.equal(await statusOf(await again('true'), ann), 403)
})

t.test('16. Given a ban, then the triggering response is the limiter\'s own, and the next guarded request is 403 with the ' +
  'fixed message', async (t) => {
  const { product, chat } = await setStage(t, { env: { ...NOTHING_PASSES, BAN_INTERVAL: '1' } })
  t.match(await say(product, ann), { status: 429, body: { type: 'message_limit', ban: true } })
  const { status, body, headers } = await say(product, ann)
  t.equal(status, 403)
  t.match(body, {
    message: BAN_TEXT, type: 'ban', reason: 'message_limit', retryAfterSeconds: 7200,
    expiresAt: new Date(product.clock() + 2 * HOUR).toISOString(),
  })
  t.match(String(headers['set-cookie']), /^refreshToken=;/)
  t.equal(chat.seen.length, 0)
})

t.test('17. Given a banned user on a new IP, then 403; (compat) that IP is denied for the rest; (strict) other users on it ' +
  'pass (adapted: the strict variant)', async (t) => {
  const { product } = await setStage(t)
  await say(product, { ...ann, ...SCRIPT })
  t.equal((await say(product, annElsewhere)).status, 403)
  t.equal((await say(product, bobElsewhere)).status, 200)
})

t.test('18. Given a banned IP and another user, then 403', async (t) => {
  const { product } = await setStage(t)
  await say(product, { ...ann, ...SCRIPT })
  t.match(await say(product, bob), { status: 403, body: { message: BAN_TEXT } })
  t.equal((await say(product, bobElsewhere)).status, 200, 'he is not banned himself by having come from there')
})

t.test('19. Given time passes expiresAt, then the first request passes and records are gone, with no restart', async (t) => {
  const { product } = await setStage(t)
  await say(product, { ...ann, ...SCRIPT })
  product.clock.advance(2 * HOUR - 1)
  t.equal((await say(product, ann)).status, 403)
  product.clock.advance(1)
  t.equal((await say(product, ann)).status, 200)
  t.same(await listBans(product), [])
  t.equal((await operate(product, 'DELETE /api/v1/bans/user:ann')).status, 404)
})

t.test('20. Given a ban record without readable expiry, then deny and do not cache (adapted: such a record of the app\'s own, ' +
  'with bans.importFromBackend; gone, he is let in within 5 s)', async (t) => {
  const { uri } = await startMongo(t)
  const { logs } = await openShell(t, uri)
  const value = '{"value":{"type":"message_limit","violation_count":20},"expires":null}'
  await logs.insertOne({ _id: new ObjectId() as never, key: 'BANS:ann', value, expiresAt: null })
  const { product } = await setStage(t, { mongoUri: uri, policy: 'bans: { importFromBackend: true }' })
  t.ok(await until(async () => await statusOf(product, ann) === 403, 10_000), 'he is banned')
  t.equal(await statusOf(product, bob), 200)
  await logs.deleteOne({ key: 'BANS:ann' })
  t.ok(await until(async () => await statusOf(product, ann) === 200, 6_000), 'he is let in')
})

t.test('21. Given unban through the API, then the very next request passes on every replica (adapted: on the others ' +
  'within 100 ms, here within a second)', async (t) => {
  const redis = { url: (await startRedis(t)).url }
  const { product, chat } = await setStage(t, { redis })
  const other = await startBehindProxy(t, { upstream: chat.url, redis, clock: product.clock })
  t.ok(await allReady([product, other]))
  t.match((await say(product, { ...ann, ...SCRIPT })).body, { ban: true })
  t.ok(await until(async () => await statusOf(other, ann) === 403), 'banned on both')
  t.equal((await operate(product, 'DELETE /api/v1/bans/user:ann')).status, 204)
  t.equal(await statusOf(product, ann), 200)
  t.ok(await until(async () => await statusOf(other, ann) === 200), 'lifted on both')
  t.match((await say(other, { ...ann, ...SCRIPT })).body, { prev_count: 0 }, 'with a clean score')
})
