import t from 'tap'
import type { Hit } from '../../src/limits/contract.js'
import { runCounterContract } from '../contract/counters.js'
import { breachFor, chargeOf, hitOf, leaseOf, limiterOf, questionOf, slotOf } from '../contract/limiters.js'
import { everyKeyExpires, noteCommands, NOW, openRedis, startPlaces } from './redis-rig.js'

const places = await startPlaces(t)
const IP = 'ip:203.0.113.9'
const USER = 'user:42'
const HOSTILE_IDS = [
  'a b', ' ', 'a\nb', 'a\u0000b', '{a}', '{', '}', 'a}{b', '{}', '%7b', 'a:b', 'ä€😀', 'x'.repeat(512), '__proto__',
]

for (const place of places) {
  const { name, isCluster } = place

  runCounterContract(t, name, (t) => openRedis(t, place))

  t.test(`${name}: a decision is ${isCluster ? 'one trip a subject' : 'one trip'}, whatever comes of it`, async (t) => {
    const { link, counters } = await openRedis(t, place)
    const sent = noteCommands(link.fast)
    const concurrent = breachFor(USER, { type: 'concurrent' })
    const slots = [slotOf(leaseOf('a'), 1, { breach: concurrent })]
    const hit = (name: string, max: number, subject: string, shadow = false) =>
      hitOf(limiterOf(name, { max, observe: shadow }), subject, { breach: breachFor(USER, { shadow }) })
    const trips = async (hits: Hit[], theSlots = slots) => {
      sent.length = 0
      const decision = await counters.decide(questionOf(hits, NOW, theSlots))
      t.same(new Set(sent), new Set(sent.length === 0 ? [] : ['evalsha']), 'the script is there')
      return { decision, count: sent.length }
    }
    const open = [hit('ip', 9, IP), hit('user', 9, USER), hit('user-again', 9, USER)]
    const perSubject = isCluster ? 2 : 1

    const admitted = await trips(open)
    t.match(admitted, { count: perSubject, decision: { refused: -1, slots: [{ granted: true }] } })
    const full = await trips(open)
    t.match(full, { count: perSubject, decision: { slots: [{ granted: false, booking: { after: 1 } }] } })
    const first = await trips([hit('shut', 0, IP), ...open])
    t.match(first, { count: perSubject, decision: { refused: 0, booking: { after: 1 } } })
    t.same(first.decision.states.map(({ remaining }) => remaining), [0, 7, 7, 7], 'those behind it are looked at')
    const second = await trips([...open, hit('shut', 0, USER)])
    t.match(second, { count: perSubject, decision: { refused: 3, booking: { after: 2 } } })
    const observed = await trips([hit('watched', 0, IP, true), ...open], [])
    t.match(observed, { count: perSubject, decision: { refused: -1, observed: [{ hit: 0, booking: { after: 1 } }] } })
    const late = await trips([hit('user', 9, USER), hit('watched', 0, IP, true)], [])
    t.match(late, { count: perSubject, decision: { observed: [{ hit: 1, booking: { after: 2 } }] } })
    t.match(await trips([hit('user', 9, USER), hit('ip', 9, IP)]), { count: perSubject, decision: { refused: -1 } })
    t.match(await trips([hit('user', 9, USER)], []), { count: 1 })
    t.match(await trips([], []), { count: 0, decision: { refused: -1, at: NOW } })
  })

  t.test(`${name}: a thousand at once over two instances admit exactly max`, async (t) => {
    const prefix = `${name}-thousand:`
    const instances = await Promise.all([1, 2].map(() => openRedis(t, place, { prefix, time: 'server' })))
    for (const algorithm of ['fixed-window', 'sliding-window'] as const) {
      const hits = [hitOf(limiterOf('ip', { max: 5000 }), IP), hitOf(limiterOf(algorithm, { max: 100, algorithm }), USER)]
      const decisions = await Promise.all(Array.from({ length: 1000 }, async (_, i) =>
        instances[i % 2]?.counters.decide(questionOf(hits, NOW))))
      t.equal(decisions.filter((decision) => decision?.refused === -1).length, 100)
    }
  })

  t.test(`${name}: instances go by the server's clock, however wrong their own are`, async (t) => {
    const { counters, leases } = await openRedis(t, place, { time: 'server' })
    const hits = [hitOf(limiterOf('one', { max: 1 }), USER, { breach: breachFor() })]
    const ask = async (now: number) => counters.decide(questionOf(hits, now, [slotOf(leaseOf('a'), 1)]))
    const [before, one, other] = [Date.now(), await ask(0), await ask(NOW * 2)]
    for (const { at } of [one, other]) t.ok(at >= before - 1 && at <= Date.now() + 1)
    t.equal(one.refused, -1)
    t.match(other, { refused: 0, booking: { after: 1 }, states: [{ resetAt: one.states[0]?.resetAt }] })
    t.ok((other.booking?.at ?? 0) >= before)
    const { at, records } = await leases.list(USER, 'messages', 0)
    t.ok(at >= before)
    t.ok(records.every(({ expiresAt }) => expiresAt > at))
  })

  t.test(`${name}: scripts that Redis forgot are sent again, and nothing is counted twice`, async (t) => {
    const { counters } = await openRedis(t, place)
    const hit = hitOf(limiterOf('one', { max: 100 }))
    const flush = () => Promise.all(place.nodes.map((node) => node.cli('SCRIPT', 'FLUSH')))
    await flush()
    const asked = Array.from({ length: 50 }, async () => counters.decide(questionOf([hit], NOW)))
    const decisions = [...await Promise.all(asked)]
    await flush()
    decisions.push(await counters.decide(questionOf([hit], NOW)))
    const remaining = decisions.map(({ states }) => states[0]?.remaining ?? -1).sort((a, b) => a - b)
    t.same(remaining, Array.from({ length: 51 }, (_, i) => 49 + i))
  })

  t.test(`${name}: buckets of every key and hostile names lie with their subject and never meet`, async (t) => {
    const { counters, scores, leases } = await openRedis(t, place)
    for (const subject of ['global', 'group:7', ...HOSTILE_IDS.map((id) => `user:${id}`)]) {
      const limiter = limiterOf('both', { max: 1, key: ['ip', 'user'] })
      const breach = breachFor(subject, { type: 'a b\n{}' })
      const hits = [hitOf(limiter, subject, { breach }), hitOf(limiter, `${IP}+${subject}`, { subject, breach })]
      const lease = leaseOf('l\n}{', { holder: subject, rule: 'r {}\u0000' })
      const slots = [slotOf(lease, 1, { breach, unlessRepeated: subject })]
      t.match(await counters.decide(questionOf(hits, NOW, slots)), { refused: -1, slots: [{ granted: true }] })
      await leases.bind({ lease, stream: 's \n\u0000', repeatKey: subject, now: NOW })
      t.match(await counters.decide(questionOf([], NOW, slots)), { slots: [{ repeated: true }] })
      const refused = await counters.decide(questionOf(hits, NOW, slots))
      t.match(refused, { refused: 0, booking: { before: 0, after: 1 }, slots: [] })
      t.match(await scores.list(subject), [{ type: 'a b\n{}', score: 1 }])
      const { records } = await leases.list(subject, lease.rule, NOW)
      t.match(records, [{ id: lease.id, stream: 's \n\u0000', repeatKey: subject }])
      await counters.refund({ limiter, bucket: subject, subject, cost: 1, now: NOW })
      t.match(await counters.decide(questionOf(hits, NOW)), { refused: 1 }, 'only that one was given back')
    }
  })

  t.test(`${name}: another algorithm under the same name begins with a whole bucket; a refund makes no key`, async (t) => {
    const { link, counters } = await openRedis(t, place)
    for (const algorithm of ['fixed-window', 'gcra', 'sliding-window'] as const) {
      const hit = hitOf(limiterOf('one', { max: 2, algorithm }))
      t.match((await counters.decide(questionOf([hit], NOW))).states, [{ remaining: 1 }])
    }
    const wide = hitOf(limiterOf('one', { max: 5000, algorithm: 'sliding-window' }))
    t.match((await counters.decide(questionOf([wide], NOW))).states, [{ remaining: 4999 }])
    await counters.refund(chargeOf(limiterOf('never'), 'user:never', NOW))
    await counters.charge(chargeOf(limiterOf('shut', { max: 0 }), 'user:never', NOW))
    t.equal(await link.fast.exists(link.key('user:never', 'f:never'), link.key('user:never', 'f:shut')), 0)
  })

  t.test(`${name}: a window takes little room, and is gone soon after it ends`, async (t) => {
    const { link, counters } = await openRedis(t, place)
    for (const [kind, bytes, part] of [
      ['f', 200, { algorithm: 'fixed-window', max: 40 }],
      ['w', 200, { algorithm: 'sliding-window', max: 5000 }],
      ['g', 200, { algorithm: 'gcra', max: 40 }],
      ['l', 720, { algorithm: 'sliding-window', max: 40 }],
    ] as const) {
      const limiter = limiterOf('messageIp', part)
      for (let i = 0; i < 40; i++) await counters.decide(questionOf([hitOf(limiter, IP)], NOW + i))
      const key = link.key(IP, `${kind}:messageIp`)
      const size = await link.fast.memory('USAGE', key)
      t.ok(size !== null && size < bytes, `${kind}: ${size}`)
      const ttl = await link.fast.pttl(key)
      t.ok(ttl > 50_000 && ttl < 130_000)
    }
  })
}

everyKeyExpires(t, places)
