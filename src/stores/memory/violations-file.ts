/**
 * `violations.json`: `{"$format":1,"<type>":{"<subject>":{"total","score","updatedAt","scoreExpiresAt"}}}`.
 * Instants are ISO 8601 (UTC, milliseconds), as in `logs.json`; `scoreExpiresAt: null` = never. Pure.
 */
import type { ScoreRecord } from '../../violations/contract.js'
import { expectFormat, isRecord } from '../../files/own-file.js'

export const VIOLATIONS_FORMAT = 1
const FORMAT_KEY = '$format'
/** Records in one piece of text: a few milliseconds of work. */
const PIECE = 2000

export function * renderViolations (byType: ReadonlyMap<string, readonly ScoreRecord[]>): Iterable<string> {
  yield `{"${FORMAT_KEY}":${VIOLATIONS_FORMAT}`
  for (const [type, records] of byType) {
    if (records.length === 0) continue
    yield `,\n${JSON.stringify(type)}:{`
    for (let from = 0; from < records.length; from += PIECE) {
      yield (from === 0 ? '\n' : ',\n') + records.slice(from, from + PIECE).map(renderRecord).join(',\n')
    }
    yield '}'
  }
  yield '}\n'
}

/** Throws when the file is none of ours; records in it that make no sense are left out. */
export function parseViolations (content: unknown): ScoreRecord[] {
  const records: ScoreRecord[] = []
  for (const [type, subjects] of Object.entries(expectFormat(content, VIOLATIONS_FORMAT))) {
    if (type === FORMAT_KEY || !isRecord(subjects)) continue
    for (const [subject, entry] of Object.entries(subjects)) {
      const record = parseRecord(type, subject, entry)
      if (record !== undefined) records.push(record)
    }
  }
  return records
}

function renderRecord ({ subject, total, score, updatedAt, scoreExpiresAt }: ScoreRecord): string {
  return `${JSON.stringify(subject)}:` + JSON.stringify({
    total,
    score,
    updatedAt: new Date(updatedAt).toISOString(),
    scoreExpiresAt: scoreExpiresAt === null ? null : new Date(scoreExpiresAt).toISOString(),
  })
}

function parseRecord (type: string, subject: string, entry: unknown): ScoreRecord | undefined {
  if (!isRecord(entry)) return undefined
  const { total, score } = entry
  const updatedAt = parseInstant(entry['updatedAt'])
  const scoreExpiresAt = entry['scoreExpiresAt'] === null ? null : parseInstant(entry['scoreExpiresAt'])
  if (!isCount(total) || !isCount(score) || updatedAt === undefined || scoreExpiresAt === undefined) return undefined
  return { type, subject, total, score, updatedAt, scoreExpiresAt }
}

function isCount (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function parseInstant (value: unknown): number | undefined {
  const at = typeof value === 'string' ? Date.parse(value) : NaN
  return Number.isNaN(at) ? undefined : at
}
