import type { LimiterDocument } from '../config/schema.js'
import type { Limiter, LimiterKey } from '../limits/contract.js'
import type { DocumentPath, Report } from './compile.js'

const KEYS: readonly LimiterKey[] = ['ip', 'user', 'group', 'global']
/** What a violation costs when neither its limiter nor `violations` says so. */
const DEFAULT_SCORE = 1
const TOO_MANY_REQUESTS = 429

type ViolationScores = Readonly<Record<string, { readonly score: number }>>

/** Makes a runnable limiter; undefined when it is switched off. */
export function compileLimiter (
  name: string,
  entry: LimiterDocument,
  { violations, report }: { violations: ViolationScores, report: Report }
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
    countStatus: entry.count?.status ?? [],
    persist: entry.persist ?? false,
    violation: entry.violation,
    score: scoreOf(entry, violations),
    status: entry.status ?? TOO_MANY_REQUESTS,
    message: entry.message,
    observe: entry.mode === 'observe',
  }
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
