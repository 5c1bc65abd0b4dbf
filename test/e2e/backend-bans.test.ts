/** The bans that LibreChat keeps itself, honoured by the whole product (`bans.importFromBackend`). */
import t from 'tap'
import { until } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import { startProduct, testClock, type Product } from '../helpers/product.js'
import { HOUR, openApp, rowOf } from '../stores/backend-rig.js'
import { openShell } from '../stores/mongo-rig.js'
import { becomes, createStages, ID, LIFT, OFF, ON, OTHER, statusOf } from './backend-bans-rig.js'
import { as, ask, metric, openStream, operate, PATIENT } from './stage.js'

/** What the contract grants; a busy machine may take longer for anything else. */
const WITHIN_MS = 5000
const stage = await createStages(t)

async function listed ({ adminUrl, adminToken }: Product): Promise<Record<string, unknown>[]> {
  const response = await fetch(`${adminUrl}/api/v1/bans`, { headers: { authorization: `Bearer ${adminToken}` } })
  return (await response.json() as { bans: Record<string, unknown>[] }).bans
}

t.test('whom the app has banned is refused like whom we have, until his row goes', async (t) => {
  const { app, shell, common } = await stage(t)
  const end = Date.now() + HOUR
  await app.insert(
    rowOf(ID, end), rowOf('192.0.2.1', end, { record: { user_id: ID } }),
    { key: `ban:${OTHER}`, value: '{"value":true,"expires":null}', expiresAt: null },
    { key: `BANS:${OTHER}`, value: 'broken', expiresAt: new Date(end) },
    { key: 'ENCODED_DOMAINS:x', value: 'y' }
  )
  const before = await app.everything()
  const product = await startProduct(t, common)
  t.ok(await becomes(product, ID, 403))
  const { body } = await ask(`${product.url}/api/convos`, as({ user: ID, ip: '198.51.100.7' }))
  t.match(body, { type: 'ban', reason: 'message_limit', expiresAt: new Date(end).toISOString() })
  t.equal(await statusOf(product, OTHER), 200, 'neither the cache nor what is no ban counts')
  t.equal(await statusOf(product, 'colleague', '192.0.2.1'), 200, 'nor does an address: the office goes on')
  t.match(await listed(product), [{ subject: `user:${ID}`, source: 'backend', linked: [], expiresAt: new Date(end).toISOString() }])
  t.equal(await metric(product, 'portcullis_bans_placed_total{source="backend"}'), 1)
  t.equal(await shell.logs.countDocuments({ type: 'ban' }), 0)
  t.equal(await app.everything(), before, 'foreign rows as they were')

  await app.remove(ID)
  const removedAt = Date.now()
  t.ok(await becomes(product, ID, 200))
  t.ok(Date.now() - removedAt < WITHIN_MS)
  t.strictSame(await listed(product), [])

  const stream = await openStream(t, `${product.url}/events`, as({ user: OTHER }))
  t.equal(stream.status, 200)
  await app.set(rowOf(OTHER, end))
  t.ok(await until(() => stream.endedAt() !== undefined, WITHIN_MS), 'what he has open is closed')
  product.clock.advance(HOUR)
  t.equal(await statusOf(product, OTHER), 200, 'a ban that runs out lets him in, whether its row goes or not')
})

t.test('a lift by the operator outlasts the row that stands, a reload and a restart, but no new row', async (t) => {
  const clock = testClock()
  const { app, common } = await stage(t, { dataDir: t.testdir(), clock })
  const first = await startProduct(t, common)
  await app.set(rowOf(ID, Date.now() + HOUR))
  t.ok(await becomes(first, ID, 403))
  t.equal(await operate(first, 'DELETE', LIFT), 204)
  t.equal(await statusOf(first, ID), 200)
  t.equal(await operate(first, 'DELETE', LIFT), 404)
  await first.reload(`${ON}deny: { users: [eve] }\n`)
  await app.set(rowOf(OTHER, Date.now() + HOUR))
  t.ok(await becomes(first, OTHER, 403), 'a later row was looked at')
  t.equal(await statusOf(first, ID), 200)
  await first.close()

  const second = await startProduct(t, common)
  await app.remove(OTHER)
  t.ok(await becomes(second, OTHER, 200))
  t.equal(await statusOf(second, ID), 200)
  await app.set(rowOf(ID, Date.now() + 2 * HOUR))
  t.ok(await becomes(second, ID, 403), 'the app has banned him again')
})

t.test('a reload switches it off and on; a restart with it off lets in, too', async (t) => {
  const { app, common } = await stage(t, { dataDir: t.testdir() })
  const product = await startProduct(t, common)
  await app.set(rowOf(ID, Date.now() + HOUR))
  t.ok(await becomes(product, ID, 403))
  t.equal(await operate(product, 'POST', '/api/v1/bans', { user: 'spammer', duration: '1h' }), 201)
  await product.reload(OFF)
  t.equal(await statusOf(product, ID), 200, 'at once')
  t.equal(await statusOf(product, 'spammer'), 403, 'ours hold')
  await product.reload(ON)
  t.ok(await becomes(product, ID, 403))
  await product.reload(`${PATIENT}bans: { importFromBackend: true, enabled: false }\n`)
  t.equal(await statusOf(product, ID), 200, 'without automatic bans the app\'s do not hold either')
  await product.reload(ON)
  t.equal(await statusOf(product, ID), 403)
  await product.reload(`${ON}exempt: { users: ["${ID}"] }\n`)
  t.equal(await statusOf(product, ID), 200, 'nobody bans the exempt')
  await product.close()

  const { mongoUri, ...alone } = common
  t.ok(mongoUri)
  const without = await startProduct(t, alone)
  t.equal(await statusOf(without, ID), 200, 'nobody would hear of its end')
  t.equal(await statusOf(without, 'spammer'), 403)
})

t.test('while MongoDB is away, bans of the app hold until their own end', async (t) => {
  const own = await startMongo(t)
  const { common } = await stage(t, { mongoUri: own.uri, dataDir: t.testdir(), clock: testClock() })
  const app = openApp((await openShell(t, own.uri)).logs)
  const first = await startProduct(t, common)
  await app.set(rowOf(ID, first.clock() + HOUR))
  t.ok(await becomes(first, ID, 403))
  if (process.env['MONGO_TEST_URI']) return
  await own.kill()
  await first.close()
  const second = await startProduct(t, common)
  t.equal(await statusOf(second, ID), 403, 'also after a restart')
  second.clock.advance(HOUR)
  t.equal(await statusOf(second, ID), 200)
})
