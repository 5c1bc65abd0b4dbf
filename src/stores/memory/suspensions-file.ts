/**
 * `suspensions.json` and `messages.json`: `{"$format":1,"subjects":{"<subject>":{"level","contentUntil","lastMessageAt",
 * "messagesTotal","latest":{"reason","until","message"}}}}`, instants in epoch milliseconds. `latest` may be absent. Pure.
 */
import { expectFormat, isRecord } from '../../files/own-file.js'
import type { Suspension, SuspensionRecord } from '../../suspensions/contract.js'

const FORMAT = 1
/** Records in one piece of text: a few milliseconds of work. */
const PIECE = 2000

export function * renderSuspensions (records: readonly SuspensionRecord[]): Iterable<string> {
  yield `{"$format":${FORMAT},"subjects":{`
  for (let from = 0; from < records.length; from += PIECE) {
    yield (from === 0 ? '\n' : ',\n') + records.slice(from, from + PIECE).map(renderRecord).join(',\n')
  }
  yield '\n}}\n'
}

/** Throws when the file is none of ours or a record in it cannot be read: rather look at it than let somebody talk. */
export function parseSuspensions (content: unknown): SuspensionRecord[] {
  const { subjects } = expectFormat(content, FORMAT)
  if (!isRecord(subjects)) throw new Error('"subjects" is missing')
  return Object.entries(subjects).map(([subject, entry]) => {
    const record = isRecord(entry) ? parseRecord(subject, entry) : undefined
    if (record === undefined) throw new Error('"subjects" does not hold suspensions')
    return record
  })
}

function renderRecord ({ subject, latest, ...rest }: SuspensionRecord): string {
  const kept = latest === undefined ? rest : { ...rest, latest: { ...latest, subject: undefined } }
  return `${JSON.stringify(subject)}:${JSON.stringify(kept)}`
}

/** Lenient about what a later version may have added. */
function parseRecord (subject: string, entry: Record<string, unknown>): SuspensionRecord | undefined {
  const { level, contentUntil, lastMessageAt, messagesTotal } = entry
  const isAbsent = entry['latest'] === undefined
  const latest = parseSuspension(subject, entry['latest'])
  if (!isAbsent && latest === undefined) return undefined
  if (!isCount(level) || !isCount(contentUntil) || !isCount(lastMessageAt) || !isCount(messagesTotal)) return undefined
  return { subject, level, latest, contentUntil, lastMessageAt, messagesTotal }
}

function parseSuspension (subject: string, entry: unknown): Suspension | undefined {
  if (!isRecord(entry)) return undefined
  const { reason, until, message } = entry
  if ((reason !== 'content' && reason !== 'rate') || !isCount(until) || typeof message !== 'string') return undefined
  return { subject, reason, until, message }
}

function isCount (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
