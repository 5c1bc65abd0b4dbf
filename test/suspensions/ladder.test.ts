import fc from 'fast-check'
import t from 'tap'
import type { SuspendRequest } from '../../src/suspensions/contract.js'
import { blankRecord, inForce, withMessage, withoutSuspension, withSuspension } from '../../src/suspensions/ladder.js'
import { minutesLeft } from '../../src/suspensions/suspensions.js'
import { infractionOf, messageOf, tooManyOf } from '../contract/suspensions.js'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const MINUTE = 60_000
const blank = blankRecord('user:42')

t.test('minutes are rounded up, and a full duration is told as it is', async (t) => {
  const cases = [
    [0, 0], [1, 1], [MINUTE, 1], [MINUTE + 1, 2], [5 * MINUTE, 5], [60 * MINUTE - 1, 60], [-1, 0], [30_000, 1],
  ] as const
  for (const [leftMs, minutes] of cases) t.equal(minutesLeft(NOW + leftMs, NOW), minutes, String(leftMs))
})

t.test('the worked example of the replaced system: a keyword at first 60 minutes, a long prompt 5, 15, 60, 60', async (t) => {
  const keyword = withSuspension(blank, infractionOf(NOW, { severity: 2 }))
  t.match(keyword, { level: 3, contentUntil: NOW + 60 * MINUTE })
  let record = blank
  const minutes = [0, 6, 22, 83].map((at) => {
    record = withSuspension(record, infractionOf(NOW + at * MINUTE))
    return minutesLeft(record.contentUntil, NOW + at * MINUTE)
  })
  t.same(minutes, [5, 15, 60, 60])
})

t.test('a ladder without steps is misuse', async (t) => {
  t.throws(() => withSuspension(blank, infractionOf(NOW, { durationsMs: [] })), /needs durations/)
})

t.test('whatever happens: no suspension ends sooner by another, levels only fall by quiet, totals never', async (t) => {
  const reset = fc.record({ resetAfterMs: fc.integer({ min: 0, max: 90 * MINUTE }), resetOn: fc.constantFrom('quiet' as const, 'clean-message' as const) })
  const deed = fc.record({
    what: fc.constantFrom('content', 'rate', 'clean', 'refused', 'lift'),
    afterMs: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 130 * MINUTE })),
    severity: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
    reset,
  })
  fc.assert(fc.property(fc.array(deed, { maxLength: 30 }), (deeds) => {
    let [record, now] = [blank, NOW]
    for (const { what, afterMs, severity, reset } of deeds) {
      now += afterMs
      const before = record
      if (what === 'lift') record = withoutSuspension(record, now)
      else if (what === 'clean' || what === 'refused') record = withMessage(record, messageOf(now, { refused: what === 'refused', reset }))
      else record = withSuspension(record, suspensionIn(what, { now, severity, reset }))
      const isLift = what === 'lift'
      if (!isLift && (inForce(record, now)?.until ?? 0) < (inForce(before, now)?.until ?? 0)) return false
      if (record.messagesTotal !== before.messagesTotal + (what === 'clean' ? 1 : 0)) return false
      const quietSince = Math.max(before.lastMessageAt, reset.resetOn === 'quiet' ? before.contentUntil : 0)
      if (record.level < before.level && now - quietSince <= reset.resetAfterMs) return false
      if (what === 'content' && record.level < 1 + (severity ?? 0)) return false
    }
    return true
  }), { numRuns: 500 })
})

function suspensionIn (what: string, part: { now: number, severity: number | undefined, reset: SuspendRequest['reset'] & {} }): SuspendRequest {
  const { now, severity, reset } = part
  return what === 'rate' ? tooManyOf(now, { reset }) : infractionOf(now, { severity, reset })
}
