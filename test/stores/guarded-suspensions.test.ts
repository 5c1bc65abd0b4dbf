import t from 'tap'
import { hitOf, leaseOf, limiterOf, questionOf, slotOf } from '../contract/limiters.js'
import { infractionOf, messageOf, tooManyOf } from '../contract/suspensions.js'
import { until } from '../helpers/backends.js'
import { comeBack, isTold, NOW, openGuarded, RETRY_MS, sendAway, waiting, type GuardRig } from './guarded-rig.js'

const MINUTE = 60_000
const USER = 'user:42'

const remoteRecord = ({ faraway }: GuardRig, subject = USER) => faraway.stores.suspensions.get(subject)
const suspendCalls = ({ faraway }: GuardRig) =>
  faraway.calls.filter(([name]) => name === 'suspensions.suspend').map(([, request]) => request)

t.test('while the store is away suspensions are made in process, and told it when it returns, dated', async (t) => {
  const stores = openGuarded(t)
  await sendAway(stores)
  const request = infractionOf(NOW, { severity: 2 })
  const given = stores.suspensions.suspend(request)
  t.match(given, { until: NOW + 60 * MINUTE }, 'at once')
  t.same(stores.suspensions.find(USER, NOW), given)
  t.same(waiting(stores).slice(0, 3), [0, 0, 1])
  for (const onFailure of ['local', 'open', 'closed'] as const) {
    const hits = [hitOf(limiterOf(onFailure, { onFailure }))]
    const slots = [slotOf(leaseOf(onFailure), 1, { onFailure })]
    t.match(stores.counters.decide({ ...questionOf(hits, NOW, slots), watched: USER }), {
      states: [], slots: [], refused: -1, unavailable: undefined, suspension: given,
    }, onFailure)
  }
  t.same(stores.degraded.filter((outcome) => outcome !== 'open'), [], 'no rule was asked')
  stores.advance(2 * MINUTE)
  await comeBack(stores)
  t.ok(await isTold(stores))
  t.same(suspendCalls(stores), [{ ...request, ageMs: 2 * MINUTE }])
  t.match(await remoteRecord(stores), { level: 3 })
  t.match(await stores.suspensions.find(USER, NOW + 2 * MINUTE), { until: NOW + 60 * MINUTE })
})

t.test('what the store said is known while it is away: suspensions, and lifts by others', async (t) => {
  const stores = openGuarded(t)
  const { suspensions } = stores.faraway.stores
  for (const subject of ['user:asked', 'user:lifted', 'user:watched', 'user:unheard']) await suspensions.suspend(infractionOf(NOW, { subject }))
  await stores.suspensions.find('user:asked', NOW)
  await stores.suspensions.find('user:lifted', NOW)
  await stores.counters.decide({ ...questionOf([hitOf(limiterOf('any'))], NOW), watched: 'user:watched' })
  await stores.suspensions.suspend(tooManyOf(NOW, { subject: 'user:mine' }))
  await suspensions.lift('user:lifted', NOW)
  await stores.suspensions.find('user:lifted', NOW)
  await sendAway(stores)
  const find = (subject: string) => stores.suspensions.find(subject, NOW)
  t.match(find('user:asked'), { reason: 'content', until: NOW + 5 * MINUTE })
  t.match(find('user:watched'), { reason: 'content' })
  t.match(find('user:mine'), { reason: 'rate' })
  t.equal(find('user:lifted'), undefined)
  t.equal(find('user:unheard'), undefined)
})

t.test('until the store has been told, it is not asked whether what was made here is in force', async (t) => {
  const stores = openGuarded(t, { pace: { pauseMs: 200 } })
  await sendAway(stores)
  await stores.suspensions.suspend(infractionOf(NOW))
  await comeBack(stores)
  t.equal(waiting(stores)[2], 1)
  t.match(await stores.suspensions.find(USER, NOW), { reason: 'content' })
  t.match(await stores.counters.decide({ ...questionOf([hitOf(limiterOf('any'))], NOW), watched: USER }), { suspension: { reason: 'content' } })
  t.equal(await stores.suspensions.lift(USER, NOW), true, 'lifted before it was told')
  t.equal(await stores.suspensions.find(USER, NOW), undefined)
  t.ok(await isTold(stores))
  t.equal(await stores.suspensions.find(USER, NOW), undefined, 'and so it stays')
  t.match(await remoteRecord(stores), { level: 1, latest: undefined })
})

t.test('an answer that was lost is made up for in process, and the infraction counts once', async (t) => {
  for (const weather of ['lost', 'slow', 'broken', 'fails'] as const) {
    const stores = openGuarded(t)
    stores.faraway.weather = weather
    t.match(await stores.suspensions.suspend(infractionOf(NOW)), { until: NOW + 5 * MINUTE }, weather)
    t.match(await stores.suspensions.find(USER, NOW), { until: NOW + 5 * MINUTE })
    stores.faraway.weather = 'well'
    await comeBack(stores)
    t.ok(await isTold(stores))
    t.match(await remoteRecord(stores), { level: 1 })
  }
})

t.test('messages of an absence are counted when the store returns, one call a subject', async (t) => {
  const stores = openGuarded(t)
  await stores.suspensions.note(messageOf(NOW))
  await sendAway(stores)
  for (let i = 0; i < 300; i++) await stores.suspensions.note(messageOf(NOW + i, { subject: `user:${i % 3}`, refused: i % 10 === 0 }))
  t.match(stores.suspensions.get('user:1'), { messagesTotal: 90 })
  await comeBack(stores)
  t.ok(await until(async () => (await remoteRecord(stores, 'user:2'))?.messagesTotal === 90, RETRY_MS))
  t.ok(await until(async () => (await remoteRecord(stores, 'user:0'))?.lastMessageAt === NOW + 297, RETRY_MS))
  t.equal(stores.faraway.calls.filter(([name]) => name === 'suspensions.note').length, 1 + 6)
})

t.test('operators: a lift and a forgetting while the store is away are done when it returns', async (t) => {
  const stores = openGuarded(t)
  for (const subject of ['user:known', 'user:unknown', 'user:forgotten']) await stores.faraway.stores.suspensions.suspend(infractionOf(NOW, { subject }))
  await stores.suspensions.find('user:known', NOW)
  await sendAway(stores)
  t.equal(await stores.suspensions.lift('user:known', NOW), true)
  t.equal(await stores.suspensions.lift('user:unknown', NOW), false, 'not that this process knows')
  await stores.suspensions.forget('user:forgotten')
  t.equal(stores.suspensions.find('user:known', NOW), undefined)
  await comeBack(stores)
  t.ok(await isTold(stores))
  for (const subject of ['user:known', 'user:unknown']) t.match(await remoteRecord(stores, subject), { level: 1, latest: undefined })
  t.equal(await remoteRecord(stores, 'user:forgotten'), undefined)
})

t.test('what cannot be told any more is said at the end', async (t) => {
  const stores = openGuarded(t)
  await sendAway(stores)
  await stores.suspensions.suspend(infractionOf(NOW))
  await stores.close(10)
  t.match(stores.lines.at(-1), { level: 'warn', details: { violations: 0, releases: 0, suspensions: 1 } })
})
