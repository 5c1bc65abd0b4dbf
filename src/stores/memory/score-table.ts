import { LRUCache } from 'lru-cache'
import type { BookRequest, ScoreRecord, ScoreStore } from '../../violations/contract.js'
import type { Booking } from '../../verdict/verdict.js'
import type { Clock } from '../../clock.js'

/** Records kept at most; the type with the most gives up its oldest. */
const MAX_RECORDS = 100_000
/** Scores like 0.1 must add up to 20 after 200 of them. */
const PRECISION = 1e6
/** Violations known by their ids. Whoever books one again does so within seconds. */
const MAX_REMEMBERED = 10_000

export interface ScoreTable extends ScoreStore {
  book (request: BookRequest): Booking
  list (subject?: string): readonly ScoreRecord[]
  cleanSince (subjects: readonly string[], since: number): readonly string[]
  reset (subject: string, type?: string): void
  /** Takes a record over as it is, from a file. */
  put (record: ScoreRecord): void
  /** All records by type as of now, a snapshot; those past retention whose score has run out are dropped on the way. */
  snapshot (): Map<string, ScoreRecord[]>
  readonly size: number
  /** Records given up since the start because there were too many. */
  readonly evicted: number
}

export interface ScoreTableOptions {
  readonly clock: Clock
  readonly retentionMs: number
  readonly maxRecords?: number
}

/** Scores of one kind (real ones, or the shadows of observe mode) in process. Records are never changed, but replaced. */
export function createScoreTable ({ clock, retentionMs, maxRecords = MAX_RECORDS }: ScoreTableOptions): ScoreTable {
  const byType = new Map<string, Map<string, ScoreRecord>>()
  const booked = new LRUCache<string, Booking>({ max: MAX_REMEMBERED })
  let size = 0
  let evicted = 0

  function put (record: ScoreRecord): void {
    let subjects = byType.get(record.type)
    if (subjects === undefined) byType.set(record.type, subjects = new Map())
    // Behind all others: the first of a map is the one that was quiet longest.
    if (!subjects.delete(record.subject)) size++
    subjects.set(record.subject, record)
    while (size > maxRecords) evictOne()
  }

  function evictOne (): void {
    const largest = [...byType.values()].reduce((a, b) => a.size >= b.size ? a : b)
    const oldest = largest.keys().next()
    if (oldest.done === true) return
    largest.delete(oldest.value)
    size--
    evicted++
  }

  function sumOf (subject: string, now: number): number {
    let sum = 0
    for (const subjects of byType.values()) sum += liveScore(subjects.get(subject), now)
    return sum
  }

  function isPast (record: ScoreRecord, now: number): boolean {
    return record.updatedAt < now - retentionMs && liveScore(record, now) === 0
  }

  return {
    put,
    book ({ id, breach, now }) {
      const answered = booked.get(id)
      if (answered !== undefined) return answered
      const { type, subject, score, interval, scope, ttlMs } = breach
      const known = byType.get(type)?.get(subject)
      const own = liveScore(known, now)
      const before = scope === 'total' ? rounded(sumOf(subject, now)) : own
      const after = rounded(before + score)
      put({
        type,
        subject,
        total: (known?.total ?? 0) + 1,
        score: rounded(own + score),
        updatedAt: now,
        scoreExpiresAt: ttlMs === null ? null : now + ttlMs,
      })
      const crossed = Math.floor(before / interval) < Math.floor(after / interval)
      const booking = { score, before, after, at: now, crossed }
      booked.set(id, booking)
      return booking
    },
    list (subject) {
      const now = clock()
      const records: ScoreRecord[] = []
      for (const subjects of byType.values()) {
        const found = subject === undefined ? subjects.values() : [subjects.get(subject)]
        for (const record of found) if (record !== undefined) records.push(asOf(record, now))
      }
      return records
    },
    cleanSince: (subjects, since) => subjects.filter((subject) => {
      for (const known of byType.values()) if ((known.get(subject)?.updatedAt ?? since) > since) return false
      return true
    }),
    reset (subject, type) {
      for (const [each, subjects] of byType) {
        const record = type === undefined || type === each ? subjects.get(subject) : undefined
        if (record !== undefined) subjects.set(subject, { ...record, score: 0 })
      }
    },
    snapshot () {
      const now = clock()
      const taken = new Map<string, ScoreRecord[]>()
      for (const [type, subjects] of byType) {
        for (const record of subjects.values()) {
          if (isPast(record, now) && subjects.delete(record.subject)) size--
        }
        taken.set(type, [...subjects.values()])
      }
      return taken
    },
    get size () { return size },
    get evicted () { return evicted },
  }
}

function liveScore (record: ScoreRecord | undefined, now: number): number {
  if (record === undefined) return 0
  return record.scoreExpiresAt === null || now < record.scoreExpiresAt ? record.score : 0
}

function asOf (record: ScoreRecord, now: number): ScoreRecord {
  return liveScore(record, now) === record.score ? record : { ...record, score: 0 }
}

function rounded (score: number): number {
  return Math.round(score * PRECISION) / PRECISION
}
