import type { LimiterDocument, PolicyDocument } from '../config/schema.js'
import type { Limiter, LimiterKey, OnFailure } from '../limits/contract.js'
import { withNumbers } from '../limits/limits.js'
import type { DocumentPath, Report } from './compile.js'
import { LIMITED } from './compile-content.js'

const KEYS: readonly LimiterKey[] = ['ip', 'user', 'group', 'global']
/** What a violation costs when neither its limiter nor `violations` says so. */
const DEFAULT_SCORE = 1
const TOO_MANY_REQUESTS = 429

type ViolationScores = Readonly<Record<string, { readonly score: number }>>

/** Makes the runnable limiters; those that are switched off are left out. */
export function compileLimiters (document: PolicyDocument, report: Report): Map<string, Limiter> {
  const context = { violations: document.violations ?? {}, onFailure: onFailureOf(document), report }
  const limiters = new Map<string, Limiter>()
  for (const [name, entry] of Object.entries(document.limiters ?? {})) {
    const limiter = compileLimiter(name, entry, context)
    if (limiter !== undefined) limiters.set(name, limiter)
  }
  return limiters
}

interface LimiterContext {
  readonly violations: ViolationScores
  /** The store's, where the entry has none. */
  readonly onFailure: OnFailure
  readonly report: Report
}

function compileLimiter (
  name: string, entry: LimiterDocument, { violations, onFailure, report }: LimiterContext
): Limiter | undefined {
  const path = ['limiters', name]
  if (entry.enabled === false || entry.mode === 'off') return undefined
  for (const required of ['key', 'max', 'window'] as const) {
    if (entry[required] === undefined) report([...path, required], 'nothing', `a value for "${required}"`)
  }
  const max = entry.max ?? 0
  return {
    name,
    key: keysOf(entry.key ?? ['ip'], [...path, 'key'], report),
    max,
    windowMs: entry.window ?? 60_000,
    algorithm: entry.algorithm ?? 'fixed-window',
    burst: entry.burst ?? max,
    anonymous: entry.anonymous ?? 'skip',
    only: entry.only,
    countStatus: entry.count?.status ?? [],
    persist: entry.persist ?? false,
    violation: entry.violation,
    score: scoreOf(entry, violations),
    status: entry.status ?? TOO_MANY_REQUESTS,
    type: entry.type,
    shownAs: entry.shownAs,
    after: entry.after ?? 'head',
    suspend: compileSuspend(entry, [...path, 'onExceed'], report),
    message: entry.message,
    observe: entry.mode === 'observe',
    onFailure: entry.onFailure ?? onFailure,
  }
}

function compileSuspend (
  { onExceed, max = 0, window = 0 }: LimiterDocument, path: DocumentPath, report: Report
): Limiter['suspend'] {
  if (onExceed === undefined) return undefined
  const { suspend: durationMs, message = LIMITED } = onExceed
  if (durationMs === undefined) {
    report([...path, 'suspend'], 'nothing', 'how long a refusal silences the subject: 30m')
    return undefined
  }
  return { durationMs, message: withNumbers(message, { max, windowMs: window }) }
}

/** What a rule does without the store when it does not say so itself. */
export function onFailureOf ({ store }: PolicyDocument): OnFailure {
  return store?.onFailure ?? 'local'
}

export function scoreOf (entry: { violation?: string, score?: number }, violations: ViolationScores): number {
  return entry.score ?? violations[entry.violation ?? '']?.score ?? DEFAULT_SCORE
}

/** Key parts in their canonical order, each once. */
export function keysOf (texts: readonly string[], path: DocumentPath, report: Report): LimiterKey[] {
  for (const text of texts) {
    if (!KEYS.includes(text as LimiterKey)) report(path, JSON.stringify(text), `one of ${KEYS.join(', ')}`, KEYS)
  }
  return KEYS.filter((key) => texts.includes(key))
}
