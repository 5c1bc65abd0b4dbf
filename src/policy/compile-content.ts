import type { ContentCheckDocument, ContentDocument } from '../config/content-schema.js'
import type { PolicyDocument } from '../config/schema.js'
import type { ContentCheck, ContentRules, Normalisation } from '../content/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { compileFind } from './compile-find.js'
import { scoreOf } from './compile-limiters.js'

const MINUTE_MS = 60_000
const SUSPENSIONS_MS: readonly number[] = [5 * MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS]
const RESET_AFTER_MS = 60 * MINUTE_MS
const VIOLATION = 'content_violation'
/** The replaced plugin's own words (reference cheshire-cat-plugin.md). */
const BLOCKED = 'Your account has been temporarily suspended for {minutes} minutes due to a content policy violation.'
export const LIMITED = 'You have sent too many messages. Please wait {minutes} minutes before sending new messages.'

type Written = readonly (keyof ContentCheckDocument)[]

/** Keys that only one kind, or one action, understands. */
const OF_KIND: Readonly<Record<ContentCheckDocument['kind'], Written>> = {
  length: ['max'],
  keywords: ['list', 'match'],
  nonAlphanumeric: ['above', 'plain'],
  pattern: ['pattern', 'patterns'],
}
const OF_ACTION = { suspend: ['severity'], score: ['violation', 'score'] } as const

/** Makes the runnable content rules; those that are switched off are left out. */
export function compileContent (document: PolicyDocument, report: Report): Map<string, ContentRules> {
  const rules = new Map<string, ContentRules>()
  for (const [name, entry] of Object.entries(document.content ?? {})) {
    const compiled = compileRules(name, entry, { document, report })
    if (entry.enabled !== false && entry.mode !== 'off') rules.set(name, compiled)
  }
  return rules
}

interface Around { readonly document: PolicyDocument, readonly report: Report }

function compileRules (name: string, entry: ContentDocument, { document, report }: Around): ContentRules {
  const normalise = normalisationOf(entry)
  const checks = (entry.checks ?? []).flatMap((check, index) =>
    compileCheck(check, { document, report, path: ['content', name, 'checks', index], normalise }))
  const suspensionsMs = entry.suspensions ?? SUSPENSIONS_MS
  if (suspensionsMs.length === 0 && checks.some(({ action }) => action === 'suspend')) {
    report(['content', name, 'suspensions'], 'an empty list', 'a duration for each infraction: [5m, 15m, 1h]')
  }
  return {
    name,
    scope: entry.scope ?? 'last',
    normalise,
    checks: named(name, checks),
    suspensionsMs,
    reset: { resetAfterMs: entry.resetAfter ?? RESET_AFTER_MS, resetOn: entry.resetOn ?? 'quiet' },
    messages: { blocked: entry.messages?.blocked ?? BLOCKED },
    observe: entry.mode === 'observe',
  }
}

/** Each step is on unless it is switched off. */
function normalisationOf ({ normalise = {} }: ContentDocument): Normalisation {
  return {
    compatibility: normalise.compatibility ?? true,
    invisible: normalise.invisible ?? true,
    confusables: normalise.confusables ?? true,
    leetspeak: normalise.leetspeak ?? true,
    spacedOut: normalise.spacedOut ?? true,
    encoded: normalise.encoded ?? true,
  }
}

export interface CheckContext extends Around {
  readonly path: DocumentPath
  readonly normalise: Normalisation
}

type Nameless = Omit<ContentCheck, 'name'>

function compileCheck (check: ContentCheckDocument, context: CheckContext): Nameless[] {
  const { document, report, path } = context
  const { kind, action = 'refuse', severity, message, violation = VIOLATION } = check
  // What is wrong with the kind itself is already told.
  if (OF_KIND[kind] === undefined) return []
  reportForeign(check, report, path)
  const find = compileFind(check, context)
  if (find === undefined || check.enabled === false || check.mode === 'off') return []
  return [{
    kind,
    action: check.mode === 'observe' ? 'flag' : action,
    severity,
    message: message?.replaceAll('{max}', String(check.max ?? 0)),
    violation,
    score: scoreOf({ violation, ...check.score !== undefined && { score: check.score } }, document.violations ?? {}),
    find,
  }]
}

/** A key that nothing reads would be a limit that somebody believes in. */
function reportForeign (check: ContentCheckDocument, report: Report, path: DocumentPath): void {
  const tell = (keys: Written, owner: string) => {
    for (const key of keys) if (check[key] !== undefined) report([...path, key], `"${key}"`, `it only with ${owner}`)
  }
  for (const [kind, keys] of Object.entries(OF_KIND)) if (kind !== check.kind) tell(keys, `kind: ${kind}`)
  for (const [action, keys] of Object.entries(OF_ACTION)) {
    if (action !== (check.action ?? 'refuse')) tell(keys, `action: ${action}`)
  }
}

/** `default.keywords`, `default.keywords2`. */
function named (name: string, checks: readonly Nameless[]): ContentCheck[] {
  const counts = new Map<string, number>()
  return checks.map((check) => {
    const count = (counts.get(check.kind) ?? 0) + 1
    counts.set(check.kind, count)
    return { name: `${name}.${check.kind}${count === 1 ? '' : count}`, ...check }
  })
}
