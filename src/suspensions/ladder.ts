/**
 * The arithmetic of suspensions: levels, durations, and when a level falls back. Pure. Stores that count in process
 * keep what these functions answer; `suspensions.lua` is the same over a hash.
 * From the replaced system: reference cheshire-cat-plugin.md, "Order of work for one message" 4 and 5.
 */
import type { ContentSuspend, NotedMessage, ResetRule, SuspendRequest, Suspension, SuspensionRecord } from './contract.js'

const MINUTE_MS = 60_000

/** Of a subject that nothing is known of. */
export function blankRecord (subject: string): SuspensionRecord {
  return { subject, level: 0, latest: undefined, contentUntil: 0, lastMessageAt: 0, messagesTotal: 0 }
}

/** The suspension that is in force; undefined: none is. */
export function inForce ({ latest }: Pick<SuspensionRecord, 'latest'>, now: number): Suspension | undefined {
  return latest !== undefined && latest.until > now ? latest : undefined
}

/** What is left, in whole minutes, rounded up, for `{minutes}` in messages. */
export function minutesLeft (until: number, now: number): number {
  return Math.max(0, Math.ceil((until - now) / MINUTE_MS))
}

/**
 * The record with one more suspension, as of `request.now`. While a content suspension is in force, what was said
 * beside it is measured at that one's level, so that ten messages at once are no ten steps.
 */
export function withSuspension (record: SuspensionRecord, request: SuspendRequest): SuspensionRecord {
  const { now } = request
  const lastMessageAt = Math.max(record.lastMessageAt, now)
  const reached = { ...record, level: levelAt(record, request.reset, now), lastMessageAt }
  if (request.reason === 'rate') return { ...reached, latest: laterOf(record, request, now + request.durationMs) }
  const own = record.contentUntil > now ? Math.max(0, record.level - 1) : reached.level
  const level = Math.max(own, request.severity ?? 0)
  const until = now + durationOf(request, level)
  return {
    ...reached,
    level: Math.max(level + 1, reached.level),
    contentUntil: Math.max(record.contentUntil, until),
    latest: laterOf(record, request, until),
  }
}

/** The record after a message that suspended nobody. */
export function withMessage (record: SuspensionRecord, message: NotedMessage): SuspensionRecord {
  const { refused, reset, now, times = 1 } = message
  const isHeard = reset.resetOn === 'quiet' || !refused
  return {
    ...record,
    level: isHeard && isQuiet(record, reset, now) ? 0 : record.level,
    lastMessageAt: Math.max(record.lastMessageAt, now),
    messagesTotal: record.messagesTotal + (refused ? 0 : times),
  }
}

/** The record without its suspension; level and total stay, and the quiet time runs from now. */
export function withoutSuspension (record: SuspensionRecord, now: number): SuspensionRecord {
  return { ...record, latest: undefined, contentUntil: Math.min(record.contentUntil, now) }
}

/** Of an infraction: only quiet itself counts here, a clean message has been noted when it came. */
function levelAt (record: SuspensionRecord, reset: ResetRule | undefined, now: number): number {
  return reset?.resetOn === 'quiet' && isQuiet(record, reset, now) ? 0 : record.level
}

/**
 * Whether the subject was quiet for longer than the reset time. The replaced system asks for the last message alone, so
 * that whoever waits out a suspension of that length begins anew: ours asks for the end of the suspension, too.
 */
function isQuiet (record: SuspensionRecord, { resetOn, resetAfterMs }: ResetRule, now: number): boolean {
  const { lastMessageAt, contentUntil } = record
  const since = resetOn === 'quiet' ? Math.max(lastMessageAt, contentUntil) : lastMessageAt
  return now - since > resetAfterMs
}

function durationOf ({ durationsMs }: ContentSuspend, level: number): number {
  const duration = durationsMs[Math.min(level, durationsMs.length - 1)]
  if (duration === undefined) throw new Error('a content suspension needs durations')
  return duration
}

function laterOf ({ latest }: SuspensionRecord, request: SuspendRequest, until: number): Suspension {
  const { subject, reason, message } = request
  return latest !== undefined && latest.until >= until ? latest : { subject, reason, until, message }
}
