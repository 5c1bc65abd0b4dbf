import type {
  ResetRule, Suspension, SuspensionReason, SuspensionRecord, SuspensionStore, SuspendRequest,
} from '../../suspensions/contract.js'
import type { RedisLink } from './contract.js'
import { suspensionKey } from './key-names.js'
import { defineScript, runScript, type Script } from './scripts.js'

const [findScript, suspendScript, noteScript, liftScript] =
  [define('suspension-find'), define('suspension-suspend'), define('suspension-note'), define('suspension-lift')]
/** As `suspensions.lua` names them. */
const FIELDS = ['level', 'contentUntil', 'lastMessageAt', 'total', 'until', 'reason', 'message'] as const

/** What a script tells of a suspension in force. */
export type SuspensionReply = [leftMs: string, reason: string, message: string]

/** Suspensions in Redis: a hash a subject. Each call is one trip. */
export function createRedisSuspensions (
  link: RedisLink, { retentionMs }: { readonly retentionMs: number }
): SuspensionStore {
  const keyOf = (subject: string) => suspensionKey(link, subject)

  function run (script: Script, subject: string, args: readonly (string | number)[]): Promise<unknown> {
    return runScript(link.fast, script, [keyOf(subject)], args)
  }

  return {
    async find (subject, now) {
      const reply = await run(findScript, subject, [link.now(now)])
      return reply === null ? undefined : readSuspension(reply as SuspensionReply, { subject, now })
    },
    async suspend (request) {
      const { id, subject, reason, message, reset, now, ageMs = 0 } = request
      const at = now + ageMs
      const first = [link.now(at), ageMs, id, reason, message, retentionMs, ...resetOf(reset)]
      const reply = await run(suspendScript, subject, [...first, ...laddersOf(request)])
      return readSuspension(reply as SuspensionReply, { subject, now: at })
    },
    async note ({ subject, refused, reset, now, times = 1, ageMs = 0 }) {
      const args = [link.now(now + ageMs), ageMs, refused ? 1 : 0, times, ...resetOf(reset), retentionMs]
      await run(noteScript, subject, args)
    },
    async get (subject) {
      return readRecord(subject, await link.calm.hmget(keyOf(subject), ...FIELDS))
    },
    async lift (subject, now) {
      return await runScript(link.calm, liftScript, [keyOf(subject)], [link.now(now)]) === 1
    },
    async forget (subject) {
      await link.calm.unlink(keyOf(subject))
    },
  }
}

/** In the words of the clock that says `now` where the store's said what is left. */
export function readSuspension (
  [leftMs, reason, message]: SuspensionReply, { subject, now }: { readonly subject: string, readonly now: number }
): Suspension {
  return { subject, reason: readReason(reason), until: now + Number(leftMs), message }
}

function define (name: string): Script {
  return defineScript(name, ['basics', 'suspensions', name].map((part) => new URL(`./${part}.lua`, import.meta.url)))
}

function resetOf (reset: ResetRule | undefined): readonly (string | number)[] {
  return reset === undefined ? ['-', 0] : [reset.resetOn, reset.resetAfterMs]
}

function laddersOf (request: SuspendRequest): readonly number[] {
  return request.reason === 'rate' ? [0, request.durationMs] : [request.severity ?? 0, ...request.durationsMs]
}

function readRecord (subject: string, values: readonly (string | null)[]): SuspensionRecord | undefined {
  if (values.every((value) => value === null)) return undefined
  const [level = null, contentUntil = null, lastMessageAt = null, total = null, until = null, reason, message] = values
  return {
    subject,
    level: finite(level),
    latest: until === null ? undefined : { subject, reason: readReason(reason), until: finite(until), message: message ?? '' },
    contentUntil: finite(contentUntil),
    lastMessageAt: finite(lastMessageAt),
    messagesTotal: finite(total),
  }
}

/** Others may have written there. */
function finite (text: string | null): number {
  const number = Number(text)
  return Number.isFinite(number) ? number : 0
}

function readReason (text: string | null | undefined): SuspensionReason {
  return text === 'rate' ? 'rate' : 'content'
}
