import t from 'tap'
import { until } from '../helpers/backends.js'
import { runLeaseContract } from '../contract/leases.js'
import { breachFor, LEASE_MS, leaseOf, takeOf } from '../contract/limiters.js'
import { everyKeyExpires, noteCommands, NOW, openRedis, startPlaces } from './redis-rig.js'

const places = await startPlaces(t)

for (const place of places) {
  const { name, isCluster } = place

  runLeaseContract(t, name, (t) => openRedis(t, place))

  t.test(`${name}: of many that ask two instances at once, max get a slot; what one holds the other sees`, async (t) => {
    const prefix = `${name}-instances:`
    const [one, other] = await Promise.all([1, 2].map(() => openRedis(t, place, { prefix, time: 'server' })))
    const taken = await Promise.all(Array.from({ length: 200 }, async (_, i) =>
      (i % 2 === 0 ? one : other)?.leases.take(takeOf(leaseOf(`l${i}`), 7, { now: NOW }))))
    t.equal(taken.filter((result) => result?.granted).length, 7)
    const held = await one?.leases.list('user:42', 'messages', NOW)
    t.equal(held?.records.length, 7)
    for (const lease of held?.records ?? []) await other?.leases.release(lease)
    t.match(await one?.leases.take(takeOf(leaseOf('next'), 1, { now: NOW })), { granted: true, held: 1 })
  })

  t.test(`${name}: what an instance held that is gone is free when its lease has run out, by the server's clock`, async (t) => {
    const { leases, link } = await openRedis(t, place, { time: 'server' })
    const leaseMs = 200
    const ask = async (id: string) => leases.take(takeOf(leaseOf(id), 1, { now: 0, leaseMs }))
    const [before, first] = [performance.now(), await ask('a')]
    t.equal(first.granted, true)
    t.equal((await ask('b')).granted, false)
    t.ok(await until(async () => (await ask('b')).granted))
    t.ok(performance.now() >= before + leaseMs - 1)
    t.match((await leases.list('user:42', 'messages', 0)).records.map(({ id }) => id), ['b'])
    const kept = await link.fast.hkeys(link.key('user:42', 'leases:messages'))
    t.same(kept, ['t:b'], 'nothing of the other is left')
  })

  t.test(`${name}: keys live as long as the longest lease, and a release leaves none`, async (t) => {
    const { leases, link } = await openRedis(t, place)
    const keys = ['slots:messages', 'leases:messages'].map((rest) => link.key('user:42', rest))
    const ttls = () => Promise.all(keys.map((key) => link.fast.pttl(key)))
    await leases.take(takeOf(leaseOf('long'), 2, { now: NOW }))
    await leases.take(takeOf(leaseOf('short'), 2, { now: NOW, leaseMs: 10 }))
    for (const ttl of await ttls()) t.ok(ttl > LEASE_MS - 60_000 && ttl < LEASE_MS + 60_000)
    await leases.bind({ lease: leaseOf('long'), stream: 's', repeatKey: 'r', now: NOW })
    await leases.renew(leaseOf('long'), 20, NOW)
    for (const ttl of await ttls()) t.ok(ttl < 60_000, 'sooner too')
    await leases.renew(leaseOf('short'), 2 * LEASE_MS, NOW)
    for (const ttl of await ttls()) t.ok(ttl > LEASE_MS)
    for (const id of ['long', 'short', 'never']) await leases.release(leaseOf(id))
    t.equal(await link.fast.exists(...keys), 0)
    await leases.renew(leaseOf('long'), LEASE_MS, NOW)
    await leases.bind({ lease: leaseOf('long'), stream: 's', repeatKey: 'r', now: NOW })
    t.equal(await link.fast.exists(...keys), 0, 'nothing revives')
  })

  t.test(`${name}: a refusal is booked in the same trip${isCluster ? ', for another subject in a second' : ''}`, async (t) => {
    const { leases, link, scores } = await openRedis(t, place)
    const sent = noteCommands(link.fast)
    await leases.take(takeOf(leaseOf('a'), 1, { now: NOW }))
    t.same(sent.splice(0), ['evalsha'])
    t.match(await leases.take(takeOf(leaseOf('b'), 1, { now: NOW, breach: breachFor() })), { booking: { after: 1 } })
    t.same(sent.splice(0), ['evalsha'])
    for (const holder of ['ip:203.0.113.9', 'global']) {
      const lease = leaseOf('c', { holder })
      const breach = breachFor('user:7', { type: holder })
      t.match(await leases.take(takeOf(lease, 1, { now: NOW, breach })), { granted: true, booking: undefined })
      t.same(sent.splice(0), ['evalsha'], 'who gets a slot books nothing')
      t.match(await leases.take(takeOf(lease, 1, { now: NOW, breach })), { granted: false, booking: { after: 1 } })
      t.equal(sent.splice(0).length, isCluster ? 2 : 1)
    }
    t.match((await scores.list('user:7')).map(({ score }) => score), [1, 1])
  })

  t.test(`${name}: leases are told in the order in which they were taken`, async (t) => {
    const { leases } = await openRedis(t, place)
    for (const [i, id] of ['c', 'a', 'b'].entries()) {
      await leases.take(takeOf(leaseOf(id, { takenAt: NOW + i }), 9, { now: NOW + i }))
    }
    await leases.renew(leaseOf('c'), 2 * LEASE_MS, NOW + 5)
    const { records } = await leases.list('user:42', 'messages', NOW + 5)
    t.same(records.map(({ id, takenAt }) => [id, takenAt]), [['c', NOW], ['a', NOW + 1], ['b', NOW + 2]])
    t.same(records.map((record) => Object.keys(record).sort()), Array(3).fill(['expiresAt', 'holder', 'id', 'rule', 'takenAt']))
  })
}

everyKeyExpires(t, places)
