import type { SubjectKind } from '../identity/contract.js'
import type { LimiterDocument, PolicyDocument } from '../config/schema.js'
import type { Limiter, LimiterKey, OnFailure } from '../limits/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { compileOnExceed } from './compile-on-exceed.js'

const SUBJECTS: readonly SubjectKind[] = ['ip', 'user', 'group', 'global']
const KEYS: readonly LimiterKey[] = [...SUBJECTS, 'model']
/** What is reserved for an answer unless the policy says otherwise. */
const MAX_TOKENS = 1000
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
  return {
    name,
    ...countingOf(entry, path, report),
    ...refusalOf(entry, path, report),
    score: scoreOf(entry, violations),
    observe: entry.mode === 'observe',
    onFailure: entry.onFailure ?? onFailure,
  }
}

type Counting =
  | 'key' | 'max' | 'windowMs' | 'algorithm' | 'burst' | 'anonymous' | 'only' | 'countStatus' | 'persist' | 'tokens' | 'after'

function countingOf (entry: LimiterDocument, path: DocumentPath, report: Report): Pick<Limiter, Counting> {
  const max = entry.max ?? 0
  const key = keysAmong(KEYS, entry.key ?? ['ip'], [...path, 'key'], report)
  const tokens = compileReserve(entry, path, report)
  const isSaidInBody = tokens !== undefined || key.includes('model')
  if (isSaidInBody && entry.after === 'head') report([...path, 'after'], 'head', 'content, since the body says what is counted')
  return {
    key,
    max,
    windowMs: entry.window ?? 60_000,
    algorithm: entry.algorithm ?? 'fixed-window',
    burst: entry.burst ?? max,
    anonymous: entry.anonymous ?? 'skip',
    only: entry.only,
    countStatus: entry.count?.status ?? [],
    persist: entry.persist ?? false,
    tokens,
    after: isSaidInBody ? 'body' : entry.after ?? 'head',
  }
}

type Refusing = 'violation' | 'status' | 'type' | 'shownAs' | 'message' | 'suspend' | 'drop'

function refusalOf (entry: LimiterDocument, path: DocumentPath, report: Report): Pick<Limiter, Refusing> {
  return {
    violation: entry.violation,
    status: entry.status ?? TOO_MANY_REQUESTS,
    type: entry.type,
    shownAs: entry.shownAs,
    message: entry.message ?? (entry.onExceed?.drop === undefined ? undefined : entry.onExceed.message),
    ...compileOnExceed(entry, [...path, 'onExceed'], report),
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
