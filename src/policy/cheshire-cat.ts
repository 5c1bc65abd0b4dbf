import type { CheshireCatDocument, ContentCheckDocument, ContentDocument } from '../config/content-schema.js'
import type { LimiterDocument, PolicyDocument } from '../config/schema.js'
import type { DocumentPath, Report } from './compile.js'

const PRESET = 'cheshire-cat'
const MINUTE_MS = 60_000
/** What the block sets; the preset has their shape. */
const CONTENT = 'default'
const LIMITER = 'catRate'

type Setting = keyof CheshireCatDocument

/** Of each kind of check, the key without which it is none, and the setting that it comes from. */
const OWN_KEYS: Partial<Record<ContentCheckDocument['kind'], readonly [keyof ContentCheckDocument, Setting]>> = {
  length: ['max', 'max_prompt_length'],
  keywords: ['list', 'jailbreak_keywords'],
  nonAlphanumeric: ['above', 'non_alphanumeric_threshold'],
}
/** Where else a setting can turn out to be wrong, or to be missing. */
const PLACES: Readonly<Record<string, Setting>> = {
  [`limiters.${LIMITER}.max`]: 'rate_limit_max_messages',
  [`limiters.${LIMITER}.window`]: 'rate_limit_window_minutes',
  [`limiters.${LIMITER}.onExceed.suspend`]: 'rate_limit_suspension_minutes',
  [`content.${CONTENT}.suspensions`]: 'content_infraction_suspensions_minutes',
}

interface Expanded {
  readonly document: PolicyDocument
  /** Blames the block for what is wrong with what was made of it. */
  readonly report: Report
}

/**
 * The settings of the replaced plugin (reference cheshire-cat-plugin.md, "Settings and defaults") as members of the
 * rules that they stand for. Those that the rules have already outrank the block.
 */
export function expandCheshireCat (document: PolicyDocument, report: Report): Expanded {
  const { cheshireCat: block, limiters, content } = document
  if (block === undefined) return { document, report }
  if (document.preset !== PRESET) {
    report(['cheshireCat'], `a block for another preset than ${JSON.stringify(document.preset ?? 'librechat')}`, `preset: ${PRESET}`)
    return { document, report }
  }
  return {
    document: {
      ...document,
      limiters: { ...limiters, [LIMITER]: limiterOf(block, limiters?.[LIMITER]) },
      content: { ...content, [CONTENT]: contentOf(block, content?.[CONTENT]) },
    },
    report: (path, ...told) => { report(blamed(path, document), ...told) },
  }
}

/** Its words are those of the content rules. */
function limiterOf (block: CheshireCatDocument, written: LimiterDocument = {}): LimiterDocument {
  return {
    ...known<LimiterDocument>({
      enabled: block.enable_rate_limit,
      max: block.rate_limit_max_messages,
      window: inMs(block.rate_limit_window_minutes),
    }),
    ...written,
    onExceed: { ...known({ suspend: inMs(block.rate_limit_suspension_minutes) }), ...written.onExceed },
  }
}

function contentOf (block: CheshireCatDocument, written: ContentDocument = {}): ContentDocument {
  const { user_blocked_message: blocked, user_limited_message: limited } = block
  return {
    ...known<ContentDocument>({
      enabled: block.enable_rate_limit,
      suspensions: block.content_infraction_suspensions_minutes?.map((minutes) => minutes * MINUTE_MS),
      resetAfter: inMs(block.infraction_reset_minutes),
    }),
    ...written,
    ...written.checks && { checks: written.checks.map((check) => checkOf(block, check)) },
    messages: { ...known({ blocked, limited }), ...written.messages },
  }
}

/** A check that says itself what it looks for is somebody else's. */
function checkOf (block: CheshireCatDocument, check: ContentCheckDocument): ContentCheckDocument {
  const [key, setting] = OWN_KEYS[check.kind] ?? []
  if (key === undefined || setting === undefined || check[key] !== undefined) return check
  if (key !== 'list') return { ...check, ...known({ [key]: block[setting] }) }
  const list = (block.jailbreak_keywords ?? [])
    .flatMap((text) => text.split('\n')).map((text) => text.trim()).filter((text) => text !== '')
  return { enabled: list.length > 0, ...known({ severity: block.jailbreak_severity_level }), ...check, list }
}

function inMs (minutes: number | undefined): number | undefined {
  return minutes === undefined ? undefined : minutes * MINUTE_MS
}

/** What is not set leaves no key behind. */
function known<T> (values: { readonly [Key in keyof T]: T[Key] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T
}

/** Where the rules themselves say nothing, the block said it. */
function blamed (path: DocumentPath, { content }: PolicyDocument): DocumentPath {
  const setting = PLACES[path.join('.')]
  if (setting !== undefined) return ['cheshireCat', setting]
  const [part, name, list, index, key, ...rest] = path
  if (part !== 'content' || name !== CONTENT || list !== 'checks') return path
  const check = content?.[CONTENT]?.checks?.[Number(index)]
  const [own, written] = (check && OWN_KEYS[check.kind]) ?? []
  return own === key && written !== undefined && check?.[own as keyof ContentCheckDocument] === undefined
    ? ['cheshireCat', written, ...rest]
    : path
}
