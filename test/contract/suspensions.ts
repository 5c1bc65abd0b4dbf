import type { Test } from 'tap'
import type { CounterStore } from '../../src/limits/contract.js'
import type {
  ContentSuspend, NotedMessage, RateSuspend, ResetRule, SuspensionStore,
} from '../../src/suspensions/contract.js'
import type { ScoreStore } from '../../src/violations/contract.js'
import { breachFor, hitOf, leaseOf, limiterOf, questionOf, slotOf } from './limiters.js'

export interface SuspensionStores {
  readonly suspensions: SuspensionStore
  readonly counters: CounterStore
  readonly scores: ScoreStore
}
type MakeStores = (t: Test) => SuspensionStores | Promise<SuspensionStores>

const NOW = Date.parse('2026-11-21T12:00:00Z')
const MINUTE = 60_000
const QUIET: ResetRule = { resetAfterMs: 60 * MINUTE, resetOn: 'quiet' }
const CLEAN: ResetRule = { resetAfterMs: 60 * MINUTE, resetOn: 'clean-message' }

let ids = 0

/** A content infraction of `user:42` on the ladder 5, 15, 60 minutes; each is a new one. */
export function infractionOf (now: number, part: Partial<ContentSuspend> = {}): ContentSuspend {
  return {
    id: `${process.pid}-${performance.timeOrigin}-s${ids++}`,
    subject: 'user:42',
    reason: 'content',
    message: 'Blocked for {minutes} minutes: “ünïcode”.',
    severity: undefined,
    durationsMs: [5 * MINUTE, 15 * MINUTE, 60 * MINUTE],
    reset: QUIET,
    now,
    ...part,
  }
}

/** Half an hour for too many messages. */
export function tooManyOf (now: number, part: Partial<RateSuspend> = {}): RateSuspend {
  const { id, subject } = infractionOf(now)
  return { id, subject, reason: 'rate', message: 'Limited, {minutes} to go', durationMs: 30 * MINUTE, now, ...part }
}

export function messageOf (now: number, part: Partial<NotedMessage> = {}): NotedMessage {
  return { subject: 'user:42', refused: false, reset: QUIET, now, ...part }
}

/** What every store of suspensions must hold, and the counters that look at them. */
export function runSuspensionContract (t: Test, name: string, makeStores: MakeStores): void {
  const open = async (t: Test) => {
    const stores = await makeStores(t)
    const { suspensions } = stores
    const minutesOf = async (now: number, part?: Partial<ContentSuspend>) =>
      ((await suspensions.suspend(infractionOf(now, part))).until - now) / MINUTE
    const level = async () => (await suspensions.get('user:42'))?.level
    return { ...stores, minutesOf, level }
  }

  t.test(`${name}: a suspension is in force until its end, for its subject alone, in the words of its rule`, async (t) => {
    const { suspensions } = await open(t)
    t.equal(await suspensions.find('user:42', NOW), undefined)
    t.equal(await suspensions.get('user:42'), undefined)
    const { message } = infractionOf(NOW)
    const given = { subject: 'user:42', reason: 'content', until: NOW + 5 * MINUTE, message }
    t.same(await suspensions.suspend(infractionOf(NOW)), given)
    t.same(await suspensions.find('user:42', NOW), given)
    t.same(await suspensions.find('user:42', NOW + 5 * MINUTE - 1), given)
    t.equal(await suspensions.find('user:42', NOW + 5 * MINUTE), undefined)
    t.equal(await suspensions.find('user:4', NOW), undefined)
    t.same(await suspensions.get('user:42'), {
      subject: 'user:42', level: 1, latest: given, contentUntil: given.until, lastMessageAt: NOW, messagesTotal: 0,
    }, 'and what is over stays on record')
  })

  t.test(`${name}: infractions climb the ladder, whose last duration stays`, async (t) => {
    const { minutesOf, level } = await open(t)
    const given: number[] = []
    for (let hour = 0, at = NOW; hour < 5; hour++, at += 61 * MINUTE) given.push(await minutesOf(at))
    t.same(given, [5, 15, 60, 60, 60])
    t.equal(await level(), 5)
  })

  t.test(`${name}: severity is where an infraction begins at least`, async (t) => {
    const { minutesOf, level } = await open(t)
    t.equal(await minutesOf(NOW, { severity: 1 }), 15)
    t.equal(await level(), 2)
    t.equal(await minutesOf(NOW + 20 * MINUTE, { severity: 0 }), 60)
    t.equal(await minutesOf(NOW, { subject: 'user:7', severity: 9 }), 60, 'beyond the ladder')
    t.equal(await minutesOf(NOW, { subject: 'user:8', severity: 9, durationsMs: [MINUTE] }), 1)
  })

  t.test(`${name}: the level falls back after quiet, which runs from the last message or the suspension's end`, async (t) => {
    const { suspensions, minutesOf, level } = await open(t)
    const first = async (at: number) => { await suspensions.forget('user:42'); return await minutesOf(at, { severity: 2 }) }
    t.equal(await first(NOW), 60)
    t.equal(await minutesOf(NOW + 61 * MINUTE), 60, 'a minute after the suspension')
    await first(NOW)
    t.equal(await minutesOf(NOW + 120 * MINUTE), 60, 'quiet for exactly the reset time')
    await first(NOW)
    t.equal(await minutesOf(NOW + 120 * MINUTE + 1), 5, 'longer')
    await first(NOW)
    await suspensions.note(messageOf(NOW + 100 * MINUTE, { refused: true }))
    t.equal(await minutesOf(NOW + 130 * MINUTE), 60, 'a refused message was no quiet')
    await first(NOW)
    await suspensions.note(messageOf(NOW + 121 * MINUTE, { refused: true }))
    t.equal(await level(), 0, 'whatever comes next')
    t.equal(await minutesOf(NOW + 122 * MINUTE), 5)
  })

  t.test(`${name}: as the plugin does it, only a clean message resets, and a suspension waited out is quiet`, async (t) => {
    const { suspensions, minutesOf, level } = await open(t)
    await minutesOf(NOW, { severity: 2, reset: CLEAN })
    t.equal(await minutesOf(NOW + 365 * 24 * 60 * MINUTE / 20, { reset: CLEAN }), 60, 'weeks later')
    await suspensions.forget('user:42')
    await minutesOf(NOW, { severity: 2, reset: CLEAN })
    await suspensions.note(messageOf(NOW + 61 * MINUTE, { reset: CLEAN, refused: true }))
    t.equal(await level(), 3)
    await suspensions.note(messageOf(NOW + 121 * MINUTE, { reset: CLEAN }))
    t.equal(await level(), 3, 'the refused one was a message, too')
    await suspensions.note(messageOf(NOW + 182 * MINUTE, { reset: CLEAN }))
    t.equal(await level(), 0)
    await minutesOf(NOW, { subject: 'user:7', severity: 2, reset: CLEAN })
    await suspensions.note(messageOf(NOW + 61 * MINUTE, { subject: 'user:7', reset: CLEAN }))
    t.equal(await minutesOf(NOW + 62 * MINUTE, { subject: 'user:7', reset: CLEAN }), 5)
  })

  t.test(`${name}: a rate suspension is fixed and leaves the level, and later content its own`, async (t) => {
    const { suspensions, minutesOf, level } = await open(t)
    await minutesOf(NOW)
    const given = await suspensions.suspend(tooManyOf(NOW + 6 * MINUTE))
    t.match(given, { reason: 'rate', until: NOW + 36 * MINUTE, message: 'Limited, {minutes} to go' })
    t.equal(await level(), 1)
    t.match(await suspensions.get('user:42'), { contentUntil: NOW + 5 * MINUTE, lastMessageAt: NOW + 6 * MINUTE })
    t.equal(await minutesOf(NOW + 37 * MINUTE), 15)
    await suspensions.suspend(tooManyOf(NOW + 200 * MINUTE, { reset: QUIET }))
    t.equal(await level(), 0, 'the quiet before it counts')
  })

  t.test(`${name}: the later end holds, and messages that were under way together are one step`, async (t) => {
    const { suspensions, level } = await open(t)
    const give = async (request: Parameters<SuspensionStore['suspend']>[0]) => suspensions.suspend(request)
    await give(tooManyOf(NOW))
    t.match(await give(infractionOf(NOW + 1)), { reason: 'rate', until: NOW + 30 * MINUTE })
    t.match(await give(infractionOf(NOW + 2, { severity: 2 })), { reason: 'content', until: NOW + 60 * MINUTE + 2 })
    t.match(await give(tooManyOf(NOW + 3)), { reason: 'content', until: NOW + 60 * MINUTE + 2 })
    t.equal(await level(), 3)
    const many = Array.from({ length: 20 }, async () => give(infractionOf(NOW, { subject: 'user:7' })))
    t.same(new Set((await Promise.all(many)).map(({ until }) => until)), new Set([NOW + 5 * MINUTE]))
    t.match(await suspensions.get('user:7'), { level: 1 })
  })

  t.test(`${name}: an infraction asked for twice under one id counts once and is answered as the first time`, async (t) => {
    const { suspensions, minutesOf, level } = await open(t)
    const twice = infractionOf(NOW)
    const first = await suspensions.suspend(twice)
    await minutesOf(NOW + 6 * MINUTE)
    t.same(await suspensions.suspend(twice), first)
    t.equal(await level(), 2)
    for (let i = 0; i < 40; i++) await suspensions.suspend(tooManyOf(NOW + i))
    t.equal(await level(), 2)
  })

  t.test(`${name}: messages that nothing was against are counted`, async (t) => {
    const { suspensions } = await open(t)
    await Promise.all(Array.from({ length: 20 }, async (_, i) => suspensions.note(messageOf(NOW + i))))
    await suspensions.note(messageOf(NOW + 100, { refused: true }))
    await suspensions.note(messageOf(NOW + 50))
    t.same(await suspensions.get('user:42'), {
      subject: 'user:42', level: 0, latest: undefined, contentUntil: 0, lastMessageAt: NOW + 100, messagesTotal: 21,
    })
    t.equal(await suspensions.find('user:42', NOW), undefined)
  })

  t.test(`${name}: a lift ends it, level and total stay, and quiet runs from then; forgetting leaves nothing`, async (t) => {
    const { suspensions, minutesOf } = await open(t)
    t.equal(await suspensions.lift('user:42', NOW), false)
    await suspensions.note(messageOf(NOW))
    await minutesOf(NOW, { severity: 2 })
    t.equal(await suspensions.lift('user:42', NOW + 10 * MINUTE), true)
    t.equal(await suspensions.find('user:42', NOW + 10 * MINUTE), undefined)
    t.equal(await suspensions.lift('user:42', NOW + 10 * MINUTE), false)
    t.match(await suspensions.get('user:42'), {
      level: 3, latest: undefined, contentUntil: NOW + 10 * MINUTE, messagesTotal: 1,
    })
    t.equal(await minutesOf(NOW + 11 * MINUTE), 60)
    await suspensions.forget('user:42')
    t.equal(await suspensions.get('user:42'), undefined)
    t.equal(await suspensions.find('user:42', NOW + 11 * MINUTE), undefined)
    t.equal(await minutesOf(NOW + 12 * MINUTE), 5)
  })

  t.test(`${name}: while the watched subject is suspended nothing is charged, booked or taken`, async (t) => {
    const { suspensions, counters, scores } = await open(t)
    const ip = limiterOf('messageIp', { max: 1 })
    const user = limiterOf('messageUser', { max: 5, key: ['user'] })
    const hits = [hitOf(ip), hitOf(user, 'user:42', { breach: breachFor() })]
    const ask = async (at: number, watched: string, max = 5) =>
      counters.decide({ ...questionOf(hits, at, [slotOf(leaseOf(`l${at}`), max)]), watched })
    await suspensions.suspend(infractionOf(NOW))
    const suspension = await suspensions.find('user:42', NOW)
    for (let i = 0; i < 3; i++) {
      t.same(await ask(NOW + i, 'user:42'), {
        ...{ states: [], refused: -1, booking: undefined, observed: [], slots: [], unavailable: undefined },
        at: NOW + i,
        suspension,
      })
    }
    const free = await ask(NOW + 3, 'user:7')
    t.match(free, {
      refused: -1,
      states: [{ charged: 1, remaining: 0 }, { charged: 1, remaining: 4 }],
      slots: [{ granted: true, held: 1 }],
    })
    t.notOk('suspension' in free && free.suspension)
    t.match(await ask(NOW + 5 * MINUTE, 'user:42'), { refused: -1, states: [{ charged: 1 }, { remaining: 4 }] }, 'over')
    t.same(await scores.list('user:42'), [])
    t.match(await counters.decide({ ...questionOf([], NOW), watched: 'user:42' }), { states: [], suspension: { reason: 'content' } })
    t.match(await counters.decide(questionOf(hits, NOW + 5 * MINUTE)), { refused: 0 }, 'nobody is watched')
    const own = [slotOf(leaseOf('own', { holder: 'user:7' }), 1)]
    const atHome = questionOf([hitOf(user, 'user:7')], NOW, own)
    const answer = await counters.decide({ ...atHome, watched: 'user:7' })
    t.match(answer, { refused: -1, states: [{ charged: 1 }], slots: [{ granted: true }] })
  })
}
