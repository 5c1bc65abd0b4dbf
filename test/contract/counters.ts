import type { Test } from 'tap'
import type { LeaseStore } from '../../src/concurrency/contract.js'
import { observedId, type CounterStore, type Decision } from '../../src/limits/contract.js'
import type { ScoreStore } from '../../src/violations/contract.js'
import { breachFor, chargeOf, hitOf, leaseOf, limiterOf, questionOf, slotOf, tokensOf } from './limiters.js'

export interface CounterStores {
  readonly counters: CounterStore
  readonly scores: ScoreStore
  readonly leases: LeaseStore
}
type MakeStores = (t: Test) => CounterStores | Promise<CounterStores>

const NOW = Date.parse('2026-11-21T12:00:00Z')

/** What every store of counters must hold; `scores` and `leases` are those in which its bookings and slots show. */
export function runCounterContract (t: Test, name: string, makeStores: MakeStores): void {
  t.test(`${name}: max pass and max + 1 is refused, in parallel too`, async (t) => {
    const { counters } = await makeStores(t)
    const limiter = limiterOf('messageIp', { max: 40 })
    const ask = async () => counters.decide(questionOf([hitOf(limiter)], NOW))
    const decisions = await Promise.all(Array.from({ length: 100 }, ask))
    t.equal(decisions.filter(({ refused }) => refused < 0).length, 40)
    const remaining = decisions.map(({ states }) => states[0]?.remaining)
    t.same(new Set(remaining).size, 40, 'every admitted request sees a number of its own')
  })

  t.test(`${name}: a window starts at the first hit, ends however much was refused, and then is empty`, async (t) => {
    const { counters } = await makeStores(t)
    const limiter = limiterOf('messageIp', { max: 2 })
    const ask = async (at: number) => counters.decide(questionOf([hitOf(limiter)], at))
    t.equal((await ask(NOW + 5000)).refused, -1)
    t.equal((await ask(NOW + 30_000)).refused, -1)
    for (let at = NOW + 31_000; at < NOW + 65_000; at += 1000) {
      const { refused, states } = await ask(at)
      t.equal(refused, 0)
      t.match(states[0], { remaining: 0, charged: 0, resetAt: NOW + 65_000, retryAt: NOW + 65_000 })
    }
    const next = await ask(NOW + 65_000)
    t.equal(next.at, NOW + 65_000)
    t.equal(next.refused, -1)
    t.match(next.states[0], { remaining: 1, charged: 1, resetAt: NOW + 125_000 })
  })

  t.test(`${name}: what the first limiter refuses never costs a place in the second`, async (t) => {
    const { counters } = await makeStores(t)
    const ip = limiterOf('messageIp', { max: 1 })
    const user = limiterOf('messageUser', { max: 5, key: ['user'] })
    const hits = [hitOf(ip), hitOf(user, 'user:42')]
    await counters.decide(questionOf(hits, NOW))
    for (let i = 0; i < 10; i++) {
      const { refused, states } = await counters.decide(questionOf(hits, NOW))
      t.equal(refused, 0)
      t.match(states[1], { remaining: 4, charged: 0 })
    }
  })

  t.test(`${name}: what was charged before a refusal stays charged`, async (t) => {
    const { counters } = await makeStores(t)
    const ip = limiterOf('messageIp', { max: 10 })
    const user = limiterOf('messageUser', { max: 1, key: ['user'] })
    const hits = [hitOf(ip), hitOf(user, 'user:42')]
    await counters.decide(questionOf(hits, NOW))
    const { refused, states } = await counters.decide(questionOf(hits, NOW))
    t.equal(refused, 1)
    t.match(states[0], { remaining: 8, charged: 1 })
  })

  t.test(`${name}: buckets and limiters do not share places, routes of one limiter do`, async (t) => {
    const { counters } = await makeStores(t)
    const max = 1
    const one = limiterOf('one', { max })
    t.equal((await counters.decide(questionOf([hitOf(one, 'ip:203.0.113.1')], NOW))).refused, -1)
    t.equal((await counters.decide(questionOf([hitOf(one, 'ip:203.0.113.2')], NOW))).refused, -1)
    t.equal((await counters.decide(questionOf([hitOf(limiterOf('two', { max }), 'ip:203.0.113.1')], NOW))).refused, -1)
    t.equal((await counters.decide(questionOf([hitOf(limiterOf('one', { max }), 'ip:203.0.113.1')], NOW))).refused, 0)
  })

  t.test(`${name}: a peek takes nothing, a charge counts whatever the fill, a refund gives back`, async (t) => {
    const { counters } = await makeStores(t)
    for (const algorithm of ['fixed-window', 'sliding-window', 'gcra'] as const) {
      const limiter = limiterOf(algorithm, { max: 3, algorithm })
      const remaining = async () => (await counters.decide(questionOf([hitOf(limiter, 'ip:x', { peek: true })], NOW))).states[0]?.remaining
      for (let i = 0; i < 5; i++) t.equal(await remaining(), 3)
      await counters.charge(chargeOf(limiter, 'ip:x', NOW))
      t.equal(await remaining(), 2)
      for (let i = 0; i < 4; i++) await counters.charge(chargeOf(limiter, 'ip:x', NOW))
      t.equal((await counters.decide(questionOf([hitOf(limiter, 'ip:x', { peek: true })], NOW))).refused, 0)
      const other = limiterOf(`${algorithm}-refund`, { max: 3, algorithm })
      await counters.decide(questionOf([hitOf(other)], NOW))
      await counters.decide(questionOf([hitOf(other)], NOW))
      await counters.refund(chargeOf(other, hitOf(other).bucket, NOW))
      const peeked = await counters.decide(questionOf([hitOf(other, undefined, { peek: true })], NOW))
      t.equal(peeked.states[0]?.remaining, 2)
      await counters.refund(chargeOf(other, 'ip:never-seen', NOW))
      t.equal((await counters.decide(questionOf([hitOf(other, 'ip:never-seen')], NOW))).states[0]?.remaining, 2, 'no credit from nowhere')
    }
  })

  t.test(`${name}: a hit takes as many places as it costs, all or none, and a refund gives them back`, async (t) => {
    const { counters } = await makeStores(t)
    for (const algorithm of ['fixed-window', 'sliding-window', 'gcra'] as const) {
      for (const max of [10, 5000]) {
        const hit = hitOf(limiterOf(`${algorithm}-${max}`, { max, algorithm }), 'user:42', { cost: max * 0.4 })
        const ask = async (cost = hit.cost) => counters.decide(questionOf([{ ...hit, cost }], NOW))
        await ask()
        t.match((await ask()).states, [{ remaining: max * 0.2, charged: max * 0.4, subject: 'user:42' }])
        const { refused, states } = await ask()
        t.equal(refused, 0)
        t.match(states, [{ remaining: max * 0.2, charged: 0 }])
        t.ok((states[0]?.retryAt ?? 0) > NOW, 'it has to wait though there is room for less')
        t.equal((await ask(1)).refused, -1)
        await counters.refund({ ...hit, now: NOW })
        t.match((await ask()).states, [{ remaining: max * 0.2 - 1, charged: max * 0.4 }])
      }
    }
  })

  t.test(`${name}: tokens by the thousand out of millions: all or none, settled either way`, async (t) => {
    const { counters } = await makeStores(t)
    for (const algorithm of ['fixed-window', 'sliding-window', 'gcra'] as const) {
      for (const max of [900, 5_000_000]) {
        const hit = hitOf(tokensOf(`${algorithm}-${max}`, { max, algorithm, windowMs: 86_400_000 }), 'user:42', { cost: max / 4 - 3 })
        const { limiter, bucket, subject, cost } = hit
        const left = async () => (await counters.decide(questionOf([{ ...hit, peek: true }], NOW))).states[0]?.remaining
        const ask = async () => counters.decide(questionOf([hit], NOW))
        const decisions = await Promise.all(Array.from({ length: 10 }, ask))
        t.equal(decisions.filter(({ refused }) => refused < 0).length, 4)
        t.equal(await left(), 12)
        const { at, states: [state] } = decisions[0] as Decision
        const taken = { at, remaining: state?.remaining ?? 0 }
        await counters.refund({ limiter, bucket, subject, cost: cost - 20, now: NOW + 1, taken })
        t.ok(Math.abs((await left() ?? 0) - (cost - 8)) <= 1, `${algorithm} of ${max}: the rest is back`)
        await counters.charge({ limiter, bucket, subject, cost: cost - 20, now: NOW + 1 })
        t.ok(Math.abs((await left() ?? 0) - 12) <= 1, 'and taken again')
      }
    }
  })

  t.test(`${name}: what was taken in a window is given back to it, never to a later one`, async (t) => {
    const { counters } = await makeStores(t)
    const shapes = (['fixed-window', 'sliding-window', 'gcra'] as const).flatMap((algorithm) =>
      [tokensOf(`${algorithm} of tokens`, { max: 1000, algorithm }), limiterOf(algorithm, { max: 1000, algorithm })])
    for (const limiter of shapes) {
      const hit = hitOf(limiter, 'user:42', { cost: 900 })
      const { bucket, subject } = hit
      const ask = async (at: number, cost: number) =>
        (await counters.decide(questionOf([{ ...hit, cost }], at))).refused
      const left = async (at: number) =>
        (await counters.decide(questionOf([{ ...hit, cost: 1, peek: true }], at))).states[0]?.remaining
      const { at, states: [state] } = await counters.decide(questionOf([hit], NOW))
      const taken = { at, remaining: state?.remaining ?? 0 }
      const late = NOW + 130_000
      t.equal(await ask(late, 700), -1, 'long after')
      await counters.refund({ limiter, bucket, subject, cost: 900, now: late + 10, taken })
      t.equal(await left(late + 10), 300, `${limiter.name}: the late one gives back nothing of theirs`)
      const its = { at: late, remaining: 300 }
      await counters.refund({ limiter, bucket, subject, cost: 650, now: late + 10, taken: its })
      t.equal(await left(late + 10), 950, 'the window\'s own goes back')
    }
  })

  t.test(`${name}: in a sliding window, what was taken in the window before is given back there`, async (t) => {
    const { counters } = await makeStores(t)
    const hit = hitOf(tokensOf('sliding', { max: 1000, algorithm: 'sliding-window' }), 'user:42', { cost: 800 })
    const { limiter, bucket, subject } = hit
    await counters.decide(questionOf([hit], NOW))
    const later = NOW + 90_000
    const peek = { ...hit, cost: 1, peek: true }
    const left = async () => (await counters.decide(questionOf([peek], later))).states[0]?.remaining
    t.equal(await left(), 600, 'half of it still counts')
    await counters.refund({ limiter, bucket, subject, cost: 600, now: later, taken: { at: NOW, remaining: 200 } })
    t.equal(await left(), 900, 'half of what is left of it')
  })

  t.test(`${name}: a log gives back the places of their own instant, be they the newest or not`, async (t) => {
    const { counters } = await makeStores(t)
    const hit = hitOf(limiterOf('log', { max: 5, algorithm: 'sliding-window' }), 'user:42')
    const { limiter, bucket, subject } = hit
    const peek = { ...hit, peek: true }
    const left = async (now: number) => (await counters.decide(questionOf([peek], now))).states[0]?.remaining
    for (const [after, cost] of [[0, 2], [10_000, 1], [50_000, 1]] as const) {
      await counters.decide(questionOf([{ ...hit, cost }], NOW + after))
    }
    const now = NOW + 50_000
    await counters.refund({ limiter, bucket, subject, cost: 1, now, taken: { at: NOW + 10_000, remaining: 2 } })
    await counters.refund({ limiter, bucket, subject, cost: 9, now, taken: { at: NOW + 20_000, remaining: 2 } })
    t.equal(await left(now), 2)
    t.equal(await left(NOW + 60_001), 4, 'the two of the beginning have left, the last one has not')
    await counters.refund({ limiter, bucket, subject, cost: 2, now, taken: { at: NOW, remaining: 3 } })
    t.equal(await left(now), 4)
  })

  t.test(`${name}: nothing passes a max of 0, and the client hears of a finite wait`, async (t) => {
    const { counters } = await makeStores(t)
    for (const algorithm of ['fixed-window', 'sliding-window', 'gcra'] as const) {
      const closed = hitOf(limiterOf(algorithm, { max: 0, algorithm }))
      const { refused, states } = await counters.decide(questionOf([closed], NOW))
      t.equal(refused, 0)
      t.match(states[0], { remaining: 0, retryAt: NOW + 60_000 })
    }
  })

  t.test(`${name}: 200 parallel refusals book 200 points, each bans at its own multiple, and admissions book nothing`, async (t) => {
    const { counters, scores } = await makeStores(t)
    const hits = [hitOf(limiterOf('messageIp', { max: 10 }), undefined, { breach: breachFor() })]
    const decisions = await Promise.all(Array.from({ length: 210 }, async () => counters.decide(questionOf(hits, NOW))))
    const bookings = decisions.flatMap(({ booking }) => booking === undefined ? [] : [booking])
    t.equal(bookings.length, 200)
    t.equal(bookings.filter(({ crossed }) => crossed).length, 10)
    t.same(bookings.map(({ after }) => after).sort((a, b) => a - b), Array.from({ length: 200 }, (_, i) => i + 1))
    t.match(await scores.list('user:42'), [{ type: 'message_limit', total: 200, score: 200 }])
  })

  t.test(`${name}: only the refusing limiter's breach is booked`, async (t) => {
    const { counters, scores } = await makeStores(t)
    const first = hitOf(limiterOf('first', { max: 0 }), undefined, { breach: breachFor('user:1', { type: 'first' }) })
    const second = hitOf(limiterOf('second', { max: 0 }), undefined, { breach: breachFor('user:1', { type: 'second' }) })
    await counters.decide(questionOf([first, second], NOW))
    t.same((await scores.list('user:1')).map(({ type }) => type), ['first'])
  })

  t.test(`${name}: a limiter that only observes refuses nobody, tells of it, and books a shadow`, async (t) => {
    const { counters, scores } = await makeStores(t)
    const breach = breachFor('user:7', { shadow: true })
    const watched = hitOf(limiterOf('watched', { max: 1, observe: true }), undefined, { breach })
    const enforced = hitOf(limiterOf('enforced', { max: 2 }))
    await counters.decide(questionOf([watched, enforced], NOW))
    const { refused, observed, states, booking } = await counters.decide(questionOf([watched, enforced], NOW))
    t.equal(refused, -1)
    t.equal(booking, undefined)
    t.match(observed, [{ hit: 0, booking: { before: 0, after: 1 } }])
    t.match(states[1], { remaining: 0, charged: 1 }, 'those behind it are charged as if it were not there')
    t.same(await scores.list('user:7'), [])
  })

  t.test(`${name}: several that only observe each book a shadow of their own, before a refusal books for real`, async (t) => {
    const { counters, scores } = await makeStores(t)
    const shadow = breachFor('user:7', { shadow: true })
    const watched = (name: string) => hitOf(limiterOf(name, { max: 0, observe: true }), undefined, { breach: shadow })
    const closed = hitOf(limiterOf('closed', { max: 0 }), undefined, { breach: breachFor('user:7') })
    const question = questionOf([watched('one'), watched('two'), closed], NOW)
    const { refused, booking, observed } = await counters.decide(question)
    t.match({ refused, booking, observed }, {
      refused: 2,
      booking: { after: 1 },
      observed: [{ hit: 0, booking: { after: 1 } }, { hit: 1, booking: { after: 2 } }],
    })
    t.match(await scores.book({ id: observedId(question.id, 1), breach: shadow, now: NOW }), { before: 1, after: 2 })
    t.match(await scores.list('user:7'), [{ score: 1 }])
  })

  t.test(`${name}: a question that is asked twice books its violation once, and so does whoever missed the answer`, async (t) => {
    const { counters, scores } = await makeStores(t)
    for (const bucket of ['user:42', 'ip:203.0.113.9']) {
      const breach = breachFor('user:42', { type: bucket })
      const question = questionOf([hitOf(limiterOf('closed', { max: 0 }), bucket, { breach })], NOW)
      const { booking } = await counters.decide(question)
      t.match(booking, { before: 0, after: 1, at: NOW })
      t.same((await counters.decide(question)).booking, booking)
      t.same(await scores.book({ id: question.id, breach, now: NOW }), booking)
    }
    t.match((await scores.list('user:42')).map(({ total }) => total), [1, 1])
  })

  t.test(`${name}: slots are taken in the same step, once every limiter has admitted`, async (t) => {
    const { counters, scores, leases } = await makeStores(t)
    const hit = hitOf(limiterOf('messageUser', { max: 3, key: ['user'] }), 'user:42')
    const held = async () => (await leases.list('user:42', 'messages', NOW)).records.map(({ id }) => id).sort()
    const ask = async (id: string) =>
      counters.decide(questionOf([hit], NOW, [slotOf(leaseOf(id), 2, { breach: breachFor() })]))
    const granted = { granted: true, repeated: false, booking: undefined, unavailable: false }
    t.match(await ask('a'), { refused: -1, booking: undefined, slots: [{ ...granted, held: 1 }], unavailable: undefined })
    t.match((await ask('b')).slots, [{ ...granted, held: 2 }])
    const third = await ask('c')
    t.match(third, { refused: -1, booking: undefined, states: [{ charged: 1, remaining: 0 }] }, 'no limiter refused')
    t.match(third.slots, [{ granted: false, held: 2, repeated: false, booking: { before: 0, after: 1 } }])
    await leases.release(leaseOf('a'))
    t.match(await ask('d'), { refused: 0, slots: [] }, 'there would be a slot, but no place')
    t.same(await held(), ['b'])
    t.match(await scores.list('user:42'), [{ total: 1 }])
    t.match((await counters.decide(questionOf([], NOW, [slotOf(leaseOf('e'), 2)]))).slots, [{ ...granted, held: 2 }], 'slots alone')
    t.same(await held(), ['b', 'e'])
    await leases.release(leaseOf('e'))
    t.same(await held(), ['b'])
  })

  t.test(`${name}: several slots are taken in order, up to the first that is not granted`, async (t) => {
    const { counters, leases } = await makeStores(t)
    const slots = (id: string) => [
      slotOf(leaseOf(id, { rule: 'wide' }), 5),
      slotOf(leaseOf(id, { rule: 'narrow', holder: 'ip:203.0.113.9' }), 1),
      slotOf(leaseOf(id, { rule: 'last' }), 5),
    ]
    const ask = async (id: string) => (await counters.decide(questionOf([hitOf(limiterOf('one'))], NOW, slots(id)))).slots
    t.match(await ask('a'), [{ granted: true }, { granted: true }, { granted: true }])
    const second = await ask('b')
    t.match(second, [{ granted: true, held: 2 }, { granted: false, held: 1 }])
    t.equal(second.length, 2)
    const idsOf = async (holder: string, rule: string) =>
      (await leases.list(holder, rule, NOW)).records.map(({ id }) => id).sort()
    t.same(await idsOf('user:42', 'wide'), ['a', 'b'], 'what was granted before is held')
    t.same(await idsOf('ip:203.0.113.9', 'narrow'), ['a'])
    t.same(await idsOf('user:42', 'last'), ['a'])
  })

  t.test(`${name}: a repetition gets no slot within a decision either, and books nothing`, async (t) => {
    const { counters, scores, leases } = await makeStores(t)
    const ask = async (id: string, unlessRepeated: string) => {
      const slot = slotOf(leaseOf(id), 1, { unlessRepeated, breach: breachFor() })
      return (await counters.decide(questionOf([], NOW, [slot]))).slots
    }
    t.match(await ask('a', 'message-1'), [{ granted: true }])
    await leases.bind({ lease: leaseOf('a'), stream: 'stream-1', repeatKey: 'message-1', now: NOW })
    t.match(await ask('b', 'message-1'), [{ granted: false, held: 1, repeated: true, booking: undefined }])
    t.same(await scores.list('user:42'), [])
    t.match(await ask('c', 'message-2'), [{ granted: false, held: 1, repeated: false, booking: { after: 1 } }])
  })

  t.test(`${name}: of many decisions at once, max get a slot and each refusal is booked`, async (t) => {
    const { counters, scores, leases } = await makeStores(t)
    const hit = hitOf(limiterOf('messageUser', { max: 60, key: ['user'] }), 'user:42', { breach: breachFor() })
    const ask = async (i: number) => {
      const slot = slotOf(leaseOf(`l${i}`), 7, { breach: breachFor('user:42', { type: 'concurrent' }) })
      return counters.decide(questionOf([hit], NOW, [slot]))
    }
    const decisions = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(i)))
    t.equal(decisions.filter(({ slots }) => slots[0]?.granted === true).length, 7)
    t.equal(decisions.filter(({ refused }) => refused === 0).length, 40)
    t.equal((await leases.list('user:42', 'messages', NOW)).records.length, 7)
    const records = await scores.list('user:42')
    t.same(new Map(records.map(({ type, score }) => [type, score])), new Map([['message_limit', 40], ['concurrent', 53]]))
  })
}
