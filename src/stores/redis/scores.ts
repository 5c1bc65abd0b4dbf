import type { Clock } from '../../clock.js'
import type { ScoreRecord, ScoreStore } from '../../violations/contract.js'
import type { RedisClient } from './contract.js'
import { MILLIONTHS } from './decide-call.js'
import type { Decider } from './decider.js'
import { scoresKey, subjectsKey } from './key-names.js'
import { defineScript, runScript } from './scripts.js'

/** Subjects read at once for a list. */
const BATCH = 500

const resetScript = defineScript('reset', ['basics', 'violations', 'reset']
  .map((name) => new URL(`./${name}.lua`, import.meta.url)))

export interface RedisScoresOptions {
  readonly clock: Clock
  readonly retentionMs: number
}

export interface RedisScores extends ScoreStore {
  /** Records of the subjects whose scores may have changed at or after an instant. */
  changedSince (since: number): Promise<readonly ScoreRecord[]>
}

/** Scores in Redis: a hash a subject, a field a type, and one more for shadows. */
export function createRedisScores (decider: Decider, { clock, retentionMs }: RedisScoresOptions): RedisScores {
  const { link, subjects } = decider

  async function recordsOf (client: RedisClient, subject: string): Promise<readonly ScoreRecord[]> {
    const fields = await client.hgetall(scoresKey(link, subject, false))
    const now = clock()
    return Object.entries(fields).flatMap(([type, text]) => readRecord({ type, subject, text, now, retentionMs }) ?? [])
  }

  async function changedSince (since: number): Promise<readonly ScoreRecord[]> {
    const changed = await subjects.changedSince(since)
    const records: ScoreRecord[] = []
    for (let from = 0; from < changed.length; from += BATCH) {
      const batch = changed.slice(from, from + BATCH)
      for (const some of await Promise.all(batch.map((subject) => recordsOf(link.calm, subject)))) records.push(...some)
    }
    return records
  }

  return {
    async book ({ id, breach, now, ageMs = 0 }) {
      const due = { id, breach, ageMs }
      const { due: [booking] } = await decider.ask({ id, now: now + ageMs, due: [due], hits: [], slots: [] })
      if (booking === undefined) throw new Error('Redis answered without a booking')
      return booking
    },
    list: (subject) => subject === undefined ? changedSince(0) : recordsOf(link.calm, subject),
    async cleanSince (asked, since) {
      const known = await Promise.all(asked.map((subject) => recordsOf(link.fast, subject)))
      return asked.filter((_subject, index) => !known[index]?.some(({ updatedAt }) => updatedAt > since))
    },
    changedSince,
    async reset (subject, type) {
      const keys = [scoresKey(link, subject, false), scoresKey(link, subject, true)]
      await runScript(link.calm, resetScript, keys, type === undefined ? [] : [type])
      await link.calm.zadd(subjectsKey(link), 'XX', 'GT', clock(), subject)
    },
  }
}

interface StoredRecord {
  readonly type: string
  readonly subject: string
  /** As `violations.lua` writes it. */
  readonly text: string
  readonly now: number
  readonly retentionMs: number
}

/** undefined: past its retention, and only kept for another type's sake; or none of ours. */
function readRecord ({ type, subject, text, now, retentionMs }: StoredRecord): ScoreRecord | undefined {
  const words = text.split(' ')
  const [total = NaN, kept = NaN, updatedAt = NaN] = words.map(Number)
  const scoreExpiresAt = words[3] === '-' ? null : Number(words[3])
  if (![total, kept, updatedAt, scoreExpiresAt ?? 0].every(Number.isFinite)) return undefined
  const score = scoreExpiresAt === null || now < scoreExpiresAt ? kept / MILLIONTHS : 0
  if (score === 0 && updatedAt < now - retentionMs) return undefined
  return { type, subject, total, score, updatedAt, scoreExpiresAt }
}
