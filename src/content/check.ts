/** Is there something against what this message says? */
import { chain } from '../chain.js'
import type { Check, Exchange } from '../exchange.js'
import { promptOf } from '../prompt/prompt.js'
import type { Silence } from '../suspensions/check.js'
import type { ContentVerdict, Verdict } from '../verdict/verdict.js'
import type { Violations } from '../violations/violations.js'
import type { Inspection } from './content.js'
import type { ContentCheck, ContentRules, InspectionRule } from './contract.js'
import { inspectInTurns } from './inspect-in-turns.js'

const REFUSED = 400
const FORBIDDEN = 403
/** Of a check that has no text of its own. */
const TOO_LONG = 'Your message is too long. Please send a shorter one.'
const NOT_ACCEPTED = 'Your message was not accepted because of its content. Please say it in other words.'

export interface ContentCheckOptions {
  readonly inspections: readonly InspectionRule[]
  /** Undefined: all of these only observe. */
  readonly silence: Silence | undefined
  readonly violations: Pick<Violations, 'book'>
  /** Counts a refused message in the limiters that stand behind this check. */
  charge (exchange: Exchange): void
  /** A check that only flags has something against the message, which goes on. */
  flagged (exchange: Exchange, check: ContentCheck): void
}

/**
 * Refuses a message that a check of its route's content rules has something against: the first that does decides. In
 * observe mode that is noted. Never rejects; what a store fails to do about it does not let the message through.
 */
export function createContentCheck (options: ContentCheckOptions): Check {
  const runFrom = (exchange: Exchange, index: number): ReturnType<Check> => {
    const rule = options.inspections[index]
    if (rule === undefined) return undefined
    const { prompt, content } = rule
    return chain<Inspection, Verdict | undefined>(
      inspectInTurns(promptOf(exchange, prompt, content.scope), content),
      (inspection) => judge(exchange, { inspection, rules: content }, options) ?? runFrom(exchange, index + 1)
    )
  }
  return (exchange) => exchange.exempt ? undefined : runFrom(exchange, 0)
}

interface Judged {
  readonly inspection: Inspection
  readonly rules: ContentRules
}

function judge (exchange: Exchange, { inspection, rules }: Judged, options: ContentCheckOptions): ReturnType<Check> {
  const { hit, flags } = inspection
  for (const { check } of flags) options.flagged(exchange, check)
  if (hit === undefined) return undefined
  if (!rules.observe) return refuse(exchange, { check: hit.check, rules }, options)
  exchange.observed.push(contentVerdict(hit.check))
  return undefined
}

interface Broken {
  readonly check: ContentCheck
  readonly rules: InspectionRule['content']
}

/** The message counts as sent: in the limiters behind this check and for the quiet time. */
function refuse (exchange: Exchange, hit: Broken, options: ContentCheckOptions): ReturnType<Check> {
  const { check, rules } = hit
  options.charge(exchange)
  if (check.action === 'suspend') return suspend(exchange, hit, options)
  options.silence?.note(exchange, { refused: true, reset: rules.reset })
  return check.action === 'score' ? score(exchange, check, options) : contentVerdict(check)
}

function suspend (exchange: Exchange, { check, rules }: Broken, { silence }: ContentCheckOptions): ReturnType<Check> {
  const suspended = silence?.suspend(exchange, {
    reason: 'content',
    rule: check.name,
    message: check.message ?? rules.messages.blocked,
    severity: check.severity,
    durationsMs: rules.suspensionsMs,
    reset: rules.reset,
  })
  return chain<Verdict | undefined, Verdict>(suspended, (verdict) => verdict ?? contentVerdict(check))
}

function score (exchange: Exchange, check: ContentCheck, { violations }: ContentCheckOptions): ReturnType<Check> {
  const { name: rule, violation: type, score } = check
  return chain(violations.book(exchange, { rule, type, score }), (booking): Verdict =>
    ({ ...contentVerdict(check), type, ...booking !== undefined && { booking } }))
}

/** Never with what was found: prompts reach neither replies nor logs. */
function contentVerdict ({ name: rule, kind, action, message }: ContentCheck): ContentVerdict {
  // The text of a suspension speaks of its minutes, of which there are none here.
  const own = action === 'suspend' ? undefined : message
  return {
    kind: 'content',
    rule,
    status: action === 'suspend' ? FORBIDDEN : REFUSED,
    message: own ?? (kind === 'length' ? TOO_LONG : NOT_ACCEPTED),
    check: kind,
  }
}
