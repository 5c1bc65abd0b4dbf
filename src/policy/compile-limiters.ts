import type { SubjectKind } from '../identity/contract.js'
import type { LimiterDocument, PolicyDocument } from '../config/schema.js'
import type { Limiter, LimiterKey, OnFailure } from '../limits/contract.js'
import { withNumbers } from '../limits/limits.js'
import type { DocumentPath, Report } from './compile.js'
import { LIMITED } from './compile-content.js'

const SUBJECTS: readonly SubjectKind[] = ['ip', 'user', 'group', 'global']
const KEYS: readonly LimiterKey[] = [...SUBJECTS, 'model']
/** What is reserved for an answer unless the policy says otherwise. */
const MAX_TOKENS = 1000
/** What a violation costs when neither its limiter nor `violations` says so. */
const DEFAULT_SCORE = 1
const TOO_MANY_REQUESTS = 429
const WARN_EVERY_MS = 60_000

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
  const key = keysAmong(KEYS, entry.key ?? ['ip'], [...path, 'key'], report)
  const tokens = compileReserve(entry, path, report)
  const isSaidInBody = tokens !== undefined || key.includes('model')
  if (isSaidInBody && entry.after === 'head') report([...path, 'after'], 'head', 'content, since the body says what is counted')
  return {
    name,
    key,
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
    tokens,
    after: entry.after ?? (isSaidInBody ? 'content' : 'head'),
    suspend: compileSuspend(entry, [...path, 'onExceed'], report),
    drop: compileDrop(entry),
    message: entry.message ?? (entry.onExceed?.drop === undefined ? undefined : entry.onExceed.message),
    observe: entry.mode === 'observe',
    onFailure: entry.onFailure ?? onFailure,
  }
}

/** Undefined: it counts requests. */
function compileReserve ({ unit, reserve, count }: LimiterDocument, path: DocumentPath, report: Report): Limiter['tokens'] {
  if (unit !== 'tokens') {
    if (reserve !== undefined) report([...path, 'reserve'], 'it without unit: tokens', 'unit: tokens beside it')
    return undefined
  }
  if (count !== undefined) report([...path, 'count'], 'it beside unit: tokens', 'one of them: answers have no fixed price')
  return { maxTokens: reserve?.maxTokens ?? MAX_TOKENS, includeUsage: reserve?.includeUsage ?? true }
}

function compileSuspend (
  { onExceed, max = 0, window = 0 }: LimiterDocument, path: DocumentPath, report: Report
): Limiter['suspend'] {
  if (onExceed === undefined) return undefined
  const { suspend: durationMs, message = LIMITED, drop, warnEvery } = onExceed
  if (drop !== undefined) {
    if (durationMs !== undefined) report([...path, 'suspend'], 'it beside drop', 'one of the two: who is silenced is told so')
    return undefined
  }
  if (warnEvery !== undefined) report([...path, 'drop'], 'nothing', 'silent, beside warnEvery')
  else if (durationMs === undefined) report([...path, 'suspend'], 'nothing', 'how long a refusal silences the subject: 30m, or drop: silent')
  if (durationMs === undefined) return undefined
  return { durationMs, message: withNumbers(message, { max, windowMs: window }) }
}

/** A warning without words of its own has those of every other refusal. */
function compileDrop ({ onExceed, message }: LimiterDocument): Limiter['drop'] {
  if (onExceed?.drop === undefined) return undefined
  return { warnEveryMs: onExceed.warnEvery ?? WARN_EVERY_MS, message: onExceed.message ?? message }
}

/** What a rule does without the store when it does not say so itself. */
export function onFailureOf ({ store }: PolicyDocument): OnFailure {
  return store?.onFailure ?? 'local'
}

export function scoreOf (entry: { violation?: string, score?: number }, violations: ViolationScores): number {
  return entry.score ?? violations[entry.violation ?? '']?.score ?? DEFAULT_SCORE
}

/** Subjects to count by, in their canonical order, each once. */
export function keysOf (texts: readonly string[], path: DocumentPath, report: Report): SubjectKind[] {
  return keysAmong(SUBJECTS, texts, path, report)
}

function keysAmong<Key extends string> (
  known: readonly Key[], texts: readonly string[], path: DocumentPath, report: Report
): Key[] {
  for (const text of texts) {
    if (!known.some((key) => key === text)) report(path, JSON.stringify(text), `one of ${known.join(', ')}`, known)
  }
  return known.filter((key) => texts.includes(key))
}
