import type { Test } from 'tap'
import type { Clock } from '../../src/clock.js'
import type { Booking } from '../../src/verdict/verdict.js'
import type { Breach, ScoreStore } from '../../src/violations/contract.js'
import { bookingOf, breachFor } from './limiters.js'

/** @param clock tells the instant at which the store lists */
type MakeScores = (t: Test, clock: Clock) => ScoreStore | Promise<ScoreStore>

const START = Date.parse('2026-11-21T12:00:00Z')
const HOUR = 3_600_000

/** What every store of scores must hold. Numbers in brackets are items of the reference's checklist. */
export function runScoreContract (t: Test, name: string, makeScores: MakeScores): void {
  const times = async (n: number, book: () => Booking | Promise<Booking>): Promise<Booking[]> => {
    const bookings: Booking[] = []
    for (let i = 0; i < n; i++) bookings.push(await book())
    return bookings
  }
  const crossings = (bookings: readonly Booking[]) =>
    bookings.filter(({ crossed }) => crossed).map(({ after }) => after)

  t.test(`${name}: the 20th point of one type crosses, once [9]`, async (t) => {
    const scores = await makeScores(t, () => START)
    const bookings = await times(45, () => scores.book(bookingOf(breachFor(), START)))
    t.same(crossings(bookings), [20, 40])
    t.match(bookings[19], { score: 1, before: 19, after: 20, at: START, crossed: true })
  })

  t.test(`${name}: 200 parallel violations are 200 points and 10 crossings`, async (t) => {
    const scores = await makeScores(t, () => START)
    const book = async () => scores.book(bookingOf(breachFor(), START))
    const bookings = await Promise.all(Array.from({ length: 200 }, book))
    t.same(crossings(bookings).sort((a, b) => a - b), [20, 40, 60, 80, 100, 120, 140, 160, 180, 200])
    t.match(await scores.list('user:42'), [{ total: 200, score: 200 }])
  })

  t.test(`${name}: types are counted apart, unless the policy wants the total [10]`, async (t) => {
    const scores = await makeScores(t, () => START)
    const book = (type: string, part: Partial<Breach> = {}) => scores.book(bookingOf(breachFor('user:42', { type, ...part }), START))
    t.same(crossings(await times(19, () => book('message_limit'))), [])
    t.same(crossings(await times(19, () => book('concurrent'))), [])
    t.match(await book('logins', { scope: 'total' }), { before: 38, after: 39, crossed: false })
    t.match(await book('logins', { scope: 'total' }), { before: 39, after: 40, crossed: true })
    t.match(await book('logins'), { before: 2, after: 3, crossed: false })
  })

  t.test(`${name}: a jump over several multiples crosses once, and the next multiple again [11, 12]`, async (t) => {
    const scores = await makeScores(t, () => START)
    await times(19, () => scores.book(bookingOf(breachFor(), START)))
    t.match(await scores.book(bookingOf(breachFor('user:42', { score: 20 }), START)), { before: 19, after: 39, crossed: true })
    t.match(await scores.book(bookingOf(breachFor(), START)), { after: 40, crossed: true })
    t.same(crossings(await times(19, () => scores.book(bookingOf(breachFor(), START)))), [], '41 to 59')
    t.match(await scores.book(bookingOf(breachFor('user:9', { score: 65 }), START)), { after: 65, crossed: true })
  })

  t.test(`${name}: a score runs out after its quiet time, which every violation of the type starts anew [47]`, async (t) => {
    let now = START
    const scores = await makeScores(t, () => now)
    await scores.book(bookingOf(breachFor(), START))
    await scores.book(bookingOf(breachFor('user:42', { score: 0 }), START + HOUR - 1))
    t.match(await scores.book(bookingOf(breachFor(), START + 2 * HOUR - 2)), { before: 1, after: 2 }, 'a score of 0 arms it too')
    await scores.book(bookingOf(breachFor('user:42', { type: 'concurrent' }), START + 3 * HOUR - 3))
    t.match(await scores.book(bookingOf(breachFor(), START + 3 * HOUR - 2)), { before: 0, after: 1 }, 'another type does not')
    now = START + 10 * HOUR
    const records = await scores.list('user:42')
    t.match(records.find(({ type }) => type === 'message_limit'), { total: 4, score: 0 }, 'the total stays')
  })

  t.test(`${name}: without a time to live a score stays for ever`, async (t) => {
    const scores = await makeScores(t, () => START)
    await scores.book(bookingOf(breachFor('user:42', { ttlMs: null }), START))
    t.match(await scores.book(bookingOf(breachFor('user:42', { ttlMs: null }), START + 10_000 * HOUR)), { before: 1, after: 2 })
    t.match(await scores.list(), [{ scoreExpiresAt: null }])
  })

  t.test(`${name}: a score of 0 counts as a violation and moves nothing; tenths add up`, async (t) => {
    const scores = await makeScores(t, () => START)
    t.match(await scores.book(bookingOf(breachFor('user:1', { score: 0 }), START)), { before: 0, after: 0, crossed: false })
    t.match(await scores.list('user:1'), [{ total: 1, score: 0 }])
    const bookings = await times(200, () => scores.book(bookingOf(breachFor('user:2', { score: 0.1 }), START)))
    t.same(crossings(bookings), [20])
  })

  t.test(`${name}: shadows are counted, never listed, and leave nothing behind`, async (t) => {
    const scores = await makeScores(t, () => START)
    const shadows = await times(20, () => scores.book(bookingOf(breachFor('user:42', { shadow: true }), START)))
    t.same(crossings(shadows), [20])
    t.same(await scores.list(), [])
    t.match(await scores.book(bookingOf(breachFor(), START)), { before: 0, after: 1 })
  })

  t.test(`${name}: a reset sets one type, or all, to 0 and keeps the totals`, async (t) => {
    const scores = await makeScores(t, () => START)
    for (const type of ['a', 'b']) await times(3, () => scores.book(bookingOf(breachFor('user:42', { type }), START)))
    await scores.book(bookingOf(breachFor('user:43', { type: 'a' }), START))
    await scores.reset('user:42', 'a')
    const byType = async () => Object.fromEntries((await scores.list('user:42')).map(({ type, score, total }) => [type, { score, total }]))
    t.same(await byType(), { a: { score: 0, total: 3 }, b: { score: 3, total: 3 } })
    await scores.reset('user:42')
    t.same(await byType(), { a: { score: 0, total: 3 }, b: { score: 0, total: 3 } })
    t.match(await scores.list('user:43'), [{ score: 1 }], 'nobody else')
    t.match(await scores.book(bookingOf(breachFor('user:42', { type: 'a' }), START)), { before: 0, after: 1 })
  })

  t.test(`${name}: tells those of many subjects that have no violation after an instant`, async (t) => {
    const scores = await makeScores(t, () => START)
    await scores.book(bookingOf(breachFor('user:early'), START))
    await scores.book(bookingOf(breachFor('user:late'), START))
    await scores.book(bookingOf(breachFor('user:late', { type: 'logins', score: 0 }), START + 1))
    await scores.book(bookingOf(breachFor('user:shadow', { shadow: true }), START + 1))
    await scores.book(bookingOf(breachFor('user:forgiven'), START + 1))
    await scores.reset('user:forgiven')
    const subjects = ['user:shadow', 'user:late', 'user:forgiven', 'user:nobody', 'user:early', 'user:__proto__']
    t.same(await scores.cleanSince(subjects, START), ['user:shadow', 'user:nobody', 'user:early', 'user:__proto__'])
    t.same(await scores.cleanSince(subjects, START + 1), subjects)
    t.same(await scores.cleanSince([], START), [])
  })

  t.test(`${name}: hostile subjects and types are plain text`, async (t) => {
    const scores = await makeScores(t, () => START)
    for (const subject of ['user:__proto__', 'user:"}\n\u0000{', 'user:constructor']) {
      t.match(await scores.book(bookingOf(breachFor(subject, { type: '__proto__' }), START)), { before: 0, after: 1 })
      t.match(await scores.list(subject), [{ type: '__proto__', subject, score: 1 }])
    }
  })

  t.test(`${name}: one violation booked twice is booked once, and answered as the first time`, async (t) => {
    const scores = await makeScores(t, () => START)
    await times(19, () => scores.book(bookingOf(breachFor(), START)))
    const twice = bookingOf(breachFor(), START)
    const first = await scores.book(twice)
    t.match(first, { before: 19, after: 20, at: START, crossed: true })
    await scores.book(bookingOf(breachFor(), START))
    t.same(await scores.book({ ...twice, now: START + 1000 }), first, 'the ban that it brings is not lost with its first answer')
    t.match(await scores.list('user:42'), [{ total: 21, score: 21 }])
    const many = bookingOf(breachFor('user:43'), START)
    const bookings = await Promise.all(Array.from({ length: 20 }, async () => scores.book(many)))
    t.ok(bookings.every(({ before, after }) => before === 0 && after === 1))
    t.match(await scores.list('user:43'), [{ total: 1, score: 1 }])
  })
}
