/** Several instances on one Redis take over the bans that LibreChat keeps itself. */
import t from 'tap'
import { startRedis } from '../helpers/redis.js'
import { HOUR, rowOf } from '../stores/backend-rig.js'
import { becomes, createStages, ID, LIFT, OFF, OTHER, statusOf } from './backend-bans-rig.js'
import { operate, startInstance, startPair } from './stage.js'

const stage = await createStages(t)

t.test('two instances on one Redis take over, lift and let go as one', async (t) => {
  const redis = await startRedis(t)
  const { app, shell, common } = await stage(t)
  const options = { ...common, redis: { url: redis.url } }
  const [a, b] = await startPair(t, options)
  const end = Date.now() + HOUR
  await app.set(rowOf(ID, end))
  for (const product of [a, b]) t.ok(await becomes(product, ID, 403))
  t.equal(await operate(a, 'DELETE', LIFT), 204)
  t.ok(await becomes(b, ID, 200, 1000), 'a lift on one is one on the other')
  await app.set(rowOf(OTHER, end))
  for (const product of [a, b]) t.ok(await becomes(product, OTHER, 403))
  await app.remove(OTHER)
  for (const product of [a, b]) t.ok(await becomes(product, OTHER, 200))
  t.strictSame([await statusOf(a, ID), await statusOf(b, ID)], [200, 200], 'the lift stands after further looks of both')
  const c = await startInstance(t, options)
  await app.set(rowOf('third', end))
  t.ok(await becomes(c, 'third', 403))
  t.equal(await statusOf(c, ID), 200, 'an instance that comes later knows of the lift')
  await app.set(rowOf(ID, end + 1))
  for (const product of [a, b, c]) t.ok(await becomes(product, ID, 403))

  const { mongoUri, ...without } = options
  t.ok(mongoUri)
  for (const late of [{ ...options, policy: OFF }, without]) {
    const d = await startInstance(t, late)
    for (const product of [a, b, c, d]) t.equal(await statusOf(product, ID), 403, 'who begins without it lifts nothing of theirs')
    await d.reload(OFF)
    t.notOk([a, b, c, d].some(({ log }) => log.lines.some(({ message }) => /not taken over any more/.test(String(message)))))
    t.equal(await statusOf(d, ID), 403, 'nor by a reload that leaves it off')
  }

  await redis.kill()
  await app.remove(ID)
  for (const product of [a, b, c]) t.ok(await becomes(product, ID, 200), 'each looks for itself while Redis is away')
  t.equal(await shell.logs.countDocuments({ type: 'ban' }), 0)
})
