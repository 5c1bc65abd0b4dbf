import t from 'tap'
import { createScoresInProcess } from '../../src/stores/memory/scores.js'
import type { Breach, PricedRule, ScoreStore, ViolationRecord } from '../../src/violations/contract.js'
import { createViolations } from '../../src/violations/violations.js'
import type { Booking } from '../../src/verdict/verdict.js'
import { exchangeOf, NOW, type ExchangePart } from '../limits/exchanges.js'
import { collectLog } from '../stores/open-stores.js'

type BanFor = (breach: Breach, booking: Booking) => Promise<Booking['ban']>

const nonBrowser: PricedRule = { rule: 'non_browser', type: 'non_browser', score: 20, withoutAmnesty: true }
const concurrent: PricedRule = { rule: 'messages', type: 'concurrent', score: 1, key: 'user', max: 2 }

function openRoom (banFor: BanFor = async (_breach, { at }) => ({ durationMs: 7_200_000, expiresAt: at + 7_200_000 })) {
  const scores = createScoresInProcess({ clock: () => NOW, retentionMs: 86_400_000 })
  const journal: ViolationRecord[] = []
  const asked: string[] = []
  let ids = 0
  const { log, lines } = collectLog()
  const options = {
    scores: scores as ScoreStore,
    journal: { append: (record: ViolationRecord) => { journal.push(record) } },
    bans: {
      banFor: (_exchange: object, breach: Breach, booking: Booking) => {
        asked.push(breach.subject)
        return banFor(breach, booking)
      },
    },
    clock: () => NOW,
    log,
    newId: () => `violation-${ids++}`,
  }
  const violations = createViolations(options)
  const book = (rule: PricedRule, part: ExchangePart = { user: 'ann' }) => violations.book(exchangeOf(part), rule)
  return { scores, journal, asked, lines, options, book }
}

t.test('a violation is counted and written down; one that crosses the interval bans [9, 11, 16]', async (t) => {
  const room = openRoom()
  for (let i = 1; i < 20; i++) t.match(await room.book(concurrent), { before: i - 1, after: i })
  t.same(room.asked, [])
  const ban = { durationMs: 7_200_000, expiresAt: NOW + 7_200_000 }
  t.match(await room.book(concurrent), { after: 20, crossed: true, ban })
  t.same(room.asked, ['user:ann'])
  t.match(await room.book(concurrent), { after: 21, crossed: false, ban: undefined })
  t.equal(room.journal.length, 21)
  t.same(room.journal[19], {
    v: 1,
    date: '2026-11-21T12:00:00.000Z',
    type: 'concurrent',
    user: 'ann',
    ip: '203.0.113.9',
    limiter: 'user',
    rule: 'messages',
    max: 2,
    score: 1,
    prev_count: 19,
    violation_count: 20,
    ban: true,
    ban_duration: 7_200_000,
    route: 'POST /api/agents/chat/:endpoint',
    method: 'POST',
    requestId: 'request-1',
    mode: 'enforce',
  })
})

t.test('19 of one type and 19 of another ban nobody, unless the total counts [10]', async (t) => {
  for (const scope of ['type', 'total'] as const) {
    const room = openRoom()
    const part = { user: 'ann', bans: { scope } }
    for (let i = 0; i < 19; i++) await room.book(concurrent, part)
    for (let i = 0; i < 19; i++) await room.book({ ...concurrent, type: 'message_limit' }, part)
    t.equal(room.asked.length, scope === 'type' ? 0 : 1)
  }
})

t.test('bans switched off, or of no duration: violations count and are written down all the same [14, 15]', async (t) => {
  for (const bans of [{ enabled: false }, { durationMs: 0 }, { durationMs: -1 }]) {
    const room = openRoom()
    t.match(await room.book(nonBrowser, { user: 'ann', bans }), { crossed: true, ban: undefined })
    t.same(room.asked, [])
    t.match(room.scores.list(), [{ score: 20 }])
    t.equal(room.journal.length, 1)
    t.notOk('ban' in (room.journal[0] ?? {}))
  }
})

t.test('200 parallel violations of 1 ban ten times, no more and no less', async (t) => {
  const room = openRoom()
  await Promise.all(Array.from({ length: 200 }, async () => room.book(concurrent)))
  t.equal(room.asked.length, 10)
  t.equal(room.journal.filter(({ ban }) => ban).length, 10)
  t.match(room.scores.list(), [{ total: 200, score: 200 }])
})

t.test('a ban that the room of bans did not place is not claimed', async (t) => {
  const room = openRoom(async () => undefined)
  const booking = await room.book(nonBrowser)
  t.match(booking, { crossed: true })
  t.notOk('ban' in (booking ?? {}))
  t.notOk('ban' in (room.journal[0] ?? {}))
})

t.test('a ban that fails is told to the operator; the refusal goes out', async (t) => {
  const room = openRoom(async () => { throw new Error('broken') })
  t.match(await room.book(nonBrowser), { after: 20 })
  t.match(room.lines, [{ level: 'error' }])
  t.equal(room.journal.length, 1)
})

t.test('who is never scored: the exempt, cross-site requests of browsers, the anonymous if so set', async (t) => {
  const room = openRoom()
  const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }
  t.equal(await room.book(concurrent, { user: 'ann', exempt: true }), undefined)
  t.equal(await room.book(concurrent, { user: 'ann', headers }), undefined)
  t.equal(await room.book(concurrent, { bans: { scoreAnonymous: false } }), undefined)
  t.same([room.scores.list(), room.journal], [[], []])
  t.match(await room.book(nonBrowser, { user: 'ann', headers }), { after: 20 }, 'a script cannot put on the amnesty of browsers')
  t.equal(await room.book(nonBrowser, { user: 'ann', headers, exempt: true }), undefined)
})

t.test('no secret of the target gets into the journal', async (t) => {
  const room = openRoom()
  await room.book(concurrent, { user: 'ann', target: '/api/agents/chat/openAI?token=secret', headers: { authorization: 'Bearer secret' } })
  t.notMatch(JSON.stringify(room.journal), /secret/)
})

t.test('observe mode, of the route or of the rule, writes down what would have been', async (t) => {
  const room = openRoom()
  await room.book(nonBrowser, { user: 'ann', plan: { mode: 'observe' } })
  await room.book({ ...nonBrowser, observe: true }, { user: 'bob' })
  t.same([room.asked, room.scores.list()], [[], []])
  t.match(room.journal, [{ user: 'ann', mode: 'observe', ban: true }, { user: 'bob', mode: 'observe', ban: true }])
})

t.test('a store that answers later is waited for', async (t) => {
  const room = openRoom()
  const { scores } = room.options
  const slow: ScoreStore = { ...scores, book: async (request) => scores.book(request) }
  const later = createViolations({ ...room.options, scores: slow })
  t.match(await later.book(exchangeOf({ user: 'ann' }), nonBrowser), { after: 20, ban: { durationMs: 7_200_000 } })
})

t.test('a store that fails costs the refusal its booking, not its answer, and is told of once a second', async (t) => {
  const room = openRoom()
  let now = NOW
  let fail: () => Promise<Booking> = () => Promise.reject(new Error('away'))
  const scores: ScoreStore = { ...room.options.scores, book: () => fail() }
  const violations = createViolations({ ...room.options, scores, clock: () => now })
  const book = async () => violations.book(exchangeOf({ user: 'ann' }), nonBrowser)
  for (let i = 0; i < 5; i++) t.equal(await book(), undefined)
  t.match(room.lines, [{ level: 'warn', details: { err: { message: 'away' } } }])
  t.equal(room.lines.length, 1)
  now += 1000
  fail = () => { throw new Error('broken') }
  t.equal(await book(), undefined)
  t.match(room.lines[1], { details: { err: { message: 'broken' }, untold: 4 } })
  t.same([room.journal, room.asked], [[], []])
})
