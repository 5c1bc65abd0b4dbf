import type { CheshireCatDocument, ContentCheckDocument, ContentDocument } from '../config/content-schema.js'
import type { LimiterDocument, PolicyDocument } from '../config/schema.js'
import type { DocumentPath, Report } from './compile.js'

const PRESET = 'cheshire-cat'
const MINUTE_MS = 60_000
/** What the block sets. */
const CONTENT = 'default'
const LIMITER = 'catRate'
/** Of the checks of that content, in their order: the key of the block that each comes from. */
const CHECK_KEYS = ['max_prompt_length', 'jailbreak_keywords', 'non_alphanumeric_threshold'] as const
/** Longer ones would never end. */
const MOST_MINUTES = 5_256_000

interface Expanded {
  readonly document: PolicyDocument
  /** Blames the block for what is wrong with what was made of it. */
  readonly report: Report
}

/**
 * The settings of the replaced plugin (reference cheshire-cat-plugin.md, "Settings and defaults") as the rules that
 * they stand for. What the policy says of these rules itself outranks the block.
 */
export function expandCheshireCat (document: PolicyDocument, report: Report): Expanded {
  const { cheshireCat: block, limiters, content } = document
  if (block === undefined) return { document, report }
  if (document.preset !== PRESET) {
    report(['cheshireCat'], `a block for another preset than ${JSON.stringify(document.preset ?? 'librechat')}`, `preset: ${PRESET}`)
  }
  const { [CONTENT]: rules } = content ?? {}
  return {
    document: {
      ...document,
      limiters: { ...limiters, [LIMITER]: limiterOf(block, limiters?.[LIMITER]) },
      content: { ...content, [CONTENT]: contentOf(block, { written: rules, report }) },
    },
    report: rules?.checks === undefined ? blaming(report) : report,
  }
}

function limiterOf (block: CheshireCatDocument, written: LimiterDocument = {}): LimiterDocument {
  const { rate_limit_suspension_minutes: suspension = 30, user_limited_message: message } = block
  return {
    enabled: block.enable_rate_limit ?? true,
    key: ['user'],
    anonymous: 'ip',
    max: block.rate_limit_max_messages ?? 30,
    window: (block.rate_limit_window_minutes ?? 60) * MINUTE_MS,
    algorithm: 'sliding-window',
    persist: true,
    after: 'content',
    ...written,
    onExceed: { suspend: suspension * MINUTE_MS, ...message !== undefined && { message }, ...written.onExceed },
  }
}

interface Surroundings {
  /** What the policy says of the rules itself. */
  readonly written: ContentDocument | undefined
  readonly report: Report
}

function contentOf (block: CheshireCatDocument, { written = {}, report }: Surroundings): ContentDocument {
  const { user_blocked_message: blocked, user_limited_message: limited } = block
  return {
    enabled: block.enable_rate_limit ?? true,
    checks: checksOf(block),
    suspensions: durationsOf(block, report),
    resetAfter: (block.infraction_reset_minutes ?? 60) * MINUTE_MS,
    ...written,
    messages: { ...blocked !== undefined && { blocked }, ...limited !== undefined && { limited }, ...written.messages },
  }
}

/** Each punishes, as theirs do; words are matched as words, which theirs are not. */
function checksOf (block: CheshireCatDocument): ContentCheckDocument[] {
  const list = (block.jailbreak_keywords ?? []).flatMap((text) => text.split('\n')).map((text) => text.trim())
  return [
    { kind: 'length', max: block.max_prompt_length ?? 0, action: 'suspend' },
    {
      kind: 'keywords',
      enabled: list.length > 0,
      list: list.filter((text) => text !== ''),
      match: 'word',
      action: 'suspend',
      severity: block.jailbreak_severity_level ?? 0,
    },
    { kind: 'nonAlphanumeric', above: block.non_alphanumeric_threshold ?? 0, plain: true, action: 'suspend' },
  ]
}

function durationsOf ({ content_infraction_suspensions_minutes: list }: CheshireCatDocument, report: Report): number[] {
  if (list === undefined) return [5, 15, 60].map((minutes) => minutes * MINUTE_MS)
  const path = ['cheshireCat', 'content_infraction_suspensions_minutes']
  const expected = `numbers of minutes from 1 to ${MOST_MINUTES}`
  if (list.length === 0) report(path, 'an empty list', expected)
  return list.map((text, index) => {
    const minutes = Number(text)
    const isFit = text.trim() !== '' && minutes >= 1 && minutes <= MOST_MINUTES
    if (!isFit) report([...path, index], JSON.stringify(text), expected)
    return minutes * MINUTE_MS
  })
}

function blaming (report: Report): Report {
  return (path, ...told) => { report(blamed(path), ...told) }
}

function blamed (path: DocumentPath): DocumentPath {
  const [part, name, key, index, ...rest] = path
  if (part !== 'content' || name !== CONTENT || key !== 'checks') return path
  const written = CHECK_KEYS[Number(index)]
  // Behind `list` stands the index of the keyword.
  return written === undefined ? path : ['cheshireCat', written, ...rest.slice(1)]
}
