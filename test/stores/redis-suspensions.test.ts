import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Hit } from '../../src/limits/contract.js'
import { createSuspensionTable } from '../../src/stores/memory/suspension-table.js'
import type { SuspendRequest } from '../../src/suspensions/contract.js'
import { hitOf, leaseOf, limiterOf, questionOf, slotOf } from '../contract/limiters.js'
import { infractionOf, messageOf, runSuspensionContract, tooManyOf } from '../contract/suspensions.js'
import { DAY, everyKeyExpires, noteCommands, NOW, openRedis, startPlaces } from './redis-rig.js'

const places = await startPlaces(t)
const IP = 'ip:203.0.113.9'
const USER = 'user:42'
const MINUTE = 60_000
const deed = fc.record({
  what: fc.constantFrom('content', 'content', 'rate', 'clean', 'refused', 'lift', 'again'),
  // Clocks may step back, too.
  stepMs: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: -MINUTE, max: 130 * MINUTE })),
  severity: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
  reset: fc.record({
    resetAfterMs: fc.integer({ min: 0, max: 90 * MINUTE }), resetOn: fc.constantFrom('quiet' as const, 'clean-message' as const),
  }),
})

for (const place of places) {
  const { name, isCluster } = place

  runSuspensionContract(t, name, (t) => openRedis(t, place))

  t.test(`${name}: each call is one trip, and to look at the watched subject costs none`, async (t) => {
    const { link, counters, suspensions } = await openRedis(t, place)
    const sent = noteCommands(link.fast)
    const trips = async (act: () => unknown) => {
      sent.length = 0
      const answer = await act()
      t.same(new Set(sent), new Set(['evalsha']))
      return { count: sent.length, answer }
    }
    const hit = (name: string, subject: string) => hitOf(limiterOf(name, { max: 9 }), subject)
    const ask = (hits: Hit[], slots = [slotOf(leaseOf('a'), 9)]) =>
      trips(() => counters.decide({ ...questionOf(hits, NOW, slots), watched: USER }))
    t.match(await ask([hit('user', USER)]), { count: 1, answer: { slots: [{ granted: true }] } })
    t.match(await ask([hit('ip', IP), hit('user', USER)], []), { count: isCluster ? 2 : 1, answer: { states: [{ charged: 1 }, { charged: 1 }] } })
    t.match(await ask([hit('ip', IP)], []), { count: isCluster ? 2 : 1 })
    t.match(await ask([hit('ip', IP), hit('user', USER)]), { count: isCluster ? 3 : 1 }, 'slots wait for every hit')
    t.match(await trips(() => suspensions.find(USER, NOW)), { count: 1, answer: undefined })
    t.match(await trips(() => suspensions.note(messageOf(NOW))), { count: 1 })
    t.match(await trips(() => suspensions.suspend(infractionOf(NOW))), { count: 1 })
    t.match(await ask([hit('ip', IP), hit('user', USER)]), { count: 1, answer: { suspension: { reason: 'content' } } }, 'it comes first')
    t.match(await trips(() => counters.decide(questionOf([hit('ip', IP)], NOW))), { answer: { states: [{ remaining: 5 }] } })
  })

  t.test(`${name}: what one instance suspends the others see at once, each by its own clock`, async (t) => {
    const prefix = `${name}-instances:`
    const [one, other] = [await openRedis(t, place, { prefix, time: 'server' }), await openRedis(t, place, { prefix, time: 'server' })]
    const given = await one.suspensions.suspend(infractionOf(NOW * 2))
    t.equal(given.until, NOW * 2 + 5 * MINUTE, 'to the millisecond, so that {minutes} is what it lasts')
    const seen = await other.suspensions.find(USER, 1000)
    t.match(seen, { reason: 'content' })
    t.ok((seen?.until ?? 0) > 1000 + 4 * MINUTE && (seen?.until ?? 0) <= 1000 + 5 * MINUTE)
    const { suspension } = await other.counters.decide({ ...questionOf([], 1000), watched: USER })
    t.ok((suspension?.until ?? 0) > 1000 + 4 * MINUTE && (suspension?.until ?? 0) <= 1000 + 5 * MINUTE)
    t.equal(await other.suspensions.lift(USER, 0), true)
    t.equal(await one.suspensions.find(USER, NOW), undefined)
    const many = await Promise.all(Array.from({ length: 100 }, async (_, i) =>
      (i % 2 === 0 ? one : other).suspensions.suspend(infractionOf(NOW, { subject: 'user:7' }))))
    t.ok(many.every(({ until }) => until >= NOW + 5 * MINUTE && until < NOW + 6 * MINUTE))
    t.match(await one.suspensions.get('user:7'), { level: 1 }, 'messages that were under way together are one step')
  })

  t.test(`${name}: what it is told late is dated back; what is over by then is only a step`, async (t) => {
    const { suspensions } = await openRedis(t, place, { time: 'server' })
    const real = Date.now()
    const late = infractionOf(real - 2 * MINUTE, { ageMs: 2 * MINUTE })
    t.ok(Math.abs((await suspensions.suspend(late)).until - real - 3 * MINUTE) < 10_000)
    await suspensions.suspend(infractionOf(real - 20 * MINUTE, { subject: 'user:7', ageMs: 20 * MINUTE }))
    t.equal(await suspensions.find('user:7', real), undefined)
    t.match(await suspensions.get('user:7'), { level: 1 })
    await suspensions.note(messageOf(real - 90 * MINUTE, { subject: 'user:8', times: 12, ageMs: 90 * MINUTE }))
    const record = await suspensions.get('user:8')
    t.match(record, { messagesTotal: 12 })
    t.ok(Math.abs((record?.lastMessageAt ?? 0) - real + 90 * MINUTE) < 10_000)
  })

  t.test(`${name}: a record outlives its suspension, and its last message, by the retention; it is small`, async (t) => {
    const { link, suspensions } = await openRedis(t, place)
    const key = link.key(USER, 'suspension')
    const keptMs = async () => Math.abs(await link.fast.pttl(key) - 30 * DAY)
    await suspensions.note(messageOf(NOW))
    t.ok(await keptMs() < MINUTE)
    await suspensions.suspend(infractionOf(NOW, { durationsMs: [2 * DAY] }))
    t.ok(Math.abs(await keptMs() - 2 * DAY) < MINUTE)
    for (let i = 0; i < 100; i++) await suspensions.suspend(tooManyOf(NOW + i))
    t.equal(await link.fast.hlen(key), 7 + 1 + 16, 'of infractions, the last 16 are known by their ids')
    t.equal(await suspensions.lift(USER, NOW), true)
    t.ok(await link.fast.pttl(key) > DAY)
  })

  t.test(`${name}: hostile subjects and texts come back as they were; what is none of ours is nothing`, async (t) => {
    const { link, suspensions } = await openRedis(t, place)
    for (const id of ['a b', '\n', 'a\u0000b', '{a}', '}{', '%7b', 'ä€😀', '__proto__', 'x'.repeat(512)]) {
      const subject = `user:${id}`
      const message = `${id}\n {minutes} “${id}” \u0000`
      const twice = infractionOf(NOW, { subject, message })
      const given = await suspensions.suspend(twice)
      t.match(given, { subject, message })
      t.same(await suspensions.suspend(twice), given)
      t.same(await suspensions.find(subject, NOW), given)
    }
    const key = link.key('user:odd', 'suspension')
    for (const text of ['garbage', 'nan', 'inf', '-inf', '']) {
      for (const field of ['level', 'contentUntil', 'lastMessageAt', 'total', 'until', 'ids']) await link.calm.hset(key, field, text)
      await link.calm.pexpire(key, MINUTE)
      t.equal(await suspensions.find('user:odd', NOW), undefined, text)
      t.match(await suspensions.get('user:odd'), { level: 0, messagesTotal: 0 })
      await suspensions.note(messageOf(NOW, { subject: 'user:odd' }))
      t.match(await suspensions.suspend(infractionOf(NOW, { subject: 'user:odd' })), { until: NOW + 5 * MINUTE })
      await suspensions.forget('user:odd')
    }
  })
}

t.test('whatever happens, Redis answers and keeps what memory does', async (t) => {
  const [place] = places
  const { suspensions } = await openRedis(t, place)
  let run = 0
  await fc.assert(fc.asyncProperty(fc.array(deed, { maxLength: 25 }), async (deeds) => {
    const subject = `user:run${run++}`
    const table = createSuspensionTable({ retentionMs: 30 * DAY })
    const known: SuspendRequest[] = []
    let now = NOW
    for (const { what, stepMs, severity, reset } of deeds) {
      now += stepMs
      const request = what === 'again' ? known.at(-1) : undefined
      if (what === 'lift') assert.equal(await suspensions.lift(subject, now), table.lift(subject, now))
      else if (what === 'clean' || what === 'refused') {
        const message = messageOf(now, { subject, reset, refused: what === 'refused' })
        await suspensions.note(message)
        table.note(message)
      } else {
        const asked = request ?? (what === 'rate' ? tooManyOf(now, { subject, reset }) : infractionOf(now, { subject, severity, reset }))
        known.push(asked)
        assert.deepEqual(await suspensions.suspend(asked), table.suspend(asked))
      }
      assert.deepEqual(await suspensions.find(subject, now), table.find(subject, now))
      assert.deepEqual(await suspensions.get(subject), table.get(subject))
    }
  }), { numRuns: 100 })
})

everyKeyExpires(t, places)
