/** Scores, from the contract: every violation is remembered, and added up again whenever somebody asks. */
import type { Booking } from '../../src/verdict/verdict.js'
import type { BookRequest, Breach, ScoreRecord } from '../../src/violations/contract.js'

/** Scores like 0.1 must add up. */
const MILLIONTHS = 1e6

export interface NaiveScores {
  book (request: BookRequest): Booking
  list (subjects: readonly string[], now: number): readonly ScoreRecord[]
  /** Without a violation after `since`. */
  isClean (subject: string, since: number): boolean
  reset (subject: string, type: string | undefined): void
  /** Instants at which something runs out. */
  ends (): readonly number[]
}

interface Violation {
  readonly subject: string
  readonly type: string
  readonly shadow: boolean
  readonly millionths: number
  readonly at: number
  readonly expiresAt: number | null
}

/** Points booked before it count no more. */
interface Reset { readonly subject: string, readonly type: string, readonly isReset: true }

export function createNaiveScores (): NaiveScores {
  const past: (Violation | Reset)[] = []
  const answered = new Map<string, Booking>()
  const violations = () => past.filter((event): event is Violation => !('isReset' in event))

  function scoreOf ({ subject, type, shadow }: Pick<Breach, 'subject' | 'type' | 'shadow'>, now: number): number {
    let score = 0
    let expiresAt: number | null = -Infinity
    for (const event of past) {
      if (event.subject !== subject || event.type !== type) continue
      if ('isReset' in event) score = 0
      else if (event.shadow === shadow) {
        if (!isLive(expiresAt, event.at)) score = 0
        score += event.millionths
        expiresAt = event.expiresAt
      }
    }
    return isLive(expiresAt, now) ? score : 0
  }

  function typesOf (subject: string): ReadonlySet<string> {
    return new Set(violations().filter((one) => one.subject === subject).map(({ type }) => type))
  }

  return {
    book ({ id, breach, now }) {
      const first = answered.get(id)
      if (first !== undefined) return first
      const { subject, type, shadow, score, scope, ttlMs, interval } = breach
      const counted = scope === 'type' ? [type] : [...typesOf(subject)]
      const before = counted.map((each) => scoreOf({ subject, type: each, shadow }, now)).reduce((a, b) => a + b, 0)
      const millionths = Math.round(score * MILLIONTHS)
      const after = before + millionths
      past.push({ subject, type, shadow, millionths, at: now, expiresAt: ttlMs === null ? null : now + ttlMs })
      let crossed = false
      for (let multiple = 0; multiple <= after; multiple += interval * MILLIONTHS) crossed ||= before < multiple
      const booking = { score, before: before / MILLIONTHS, after: after / MILLIONTHS, at: now, crossed }
      answered.set(id, booking)
      return booking
    },
    list: (subjects, now) => subjects.flatMap((subject) => [...typesOf(subject)].flatMap((type) => {
      const own = violations().filter((one) => one.subject === subject && one.type === type && !one.shadow)
      const last = own.at(-1)
      const score = scoreOf({ subject, type, shadow: false }, now) / MILLIONTHS
      return last === undefined
        ? []
        : { type, subject, total: own.length, score, updatedAt: last.at, scoreExpiresAt: last.expiresAt }
    })),
    isClean: (subject, since) => !violations().some((one) => one.subject === subject && !one.shadow && one.at > since),
    reset (subject, type) {
      const types = type === undefined ? typesOf(subject) : [type]
      for (const each of types) past.push({ subject, type: each, isReset: true })
    },
    ends: () => violations().flatMap(({ expiresAt }) => expiresAt ?? []),
  }
}

function isLive (expiresAt: number | null, now: number): boolean {
  return expiresAt === null || now < expiresAt
}
