/** What is done about a message once its category is known. */
import { chain } from '../chain.js'
import type { Exchange } from '../exchange.js'
import { canEdit, rewritePrompt } from '../rewriting/rewriting.js'
import type { Silence } from '../suspensions/check.js'
import type { Verdict } from '../verdict/verdict.js'
import type { Violations } from '../violations/violations.js'
import type { CategoryRule, DoormanUse } from './contract.js'
import { firstGraphemes } from './shortened.js'
import { contentVerdict, verdictOf } from './verdicts.js'

const BLOCKED = 'Your account has been temporarily suspended for {minutes} minutes due to a content policy violation.'

export interface MeasuresOptions {
  /** Undefined: nothing here suspends. */
  readonly silence: Silence | undefined
  /** Says of each message whether it came to anything, for the quiet time; false: content rules do. */
  readonly notes: boolean
  readonly violations: Pick<Violations, 'book'>
  /** What the request holds goes back: it is not forwarded. */
  release (exchange: Exchange): void
  /** A message that is forwarded was worth a note. */
  flagged (exchange: Exchange, rule: { readonly name: string }): void
}

/** A judged message. */
export interface Judged {
  readonly use: DoormanUse
  readonly category: CategoryRule
  /** What the person said. */
  readonly text: string
}

export interface Taken {
  /** Undefined: it is forwarded. */
  readonly verdict: Verdict | undefined
  /** What the backend reads in its place. */
  readonly forwarded: string
}

export interface Measures {
  /** Never rejects. In observe mode it only says what would have been done. */
  take (exchange: Exchange, judged: Judged): Promise<Taken>
}

export function createMeasures (options: MeasuresOptions): Measures {
  return {
    async take (exchange, judged) {
      const { use, category, text } = judged
      if (use.observe) {
        observe(exchange, category, options)
        return { verdict: undefined, forwarded: text }
      }
      const verdict = isRefusing(category) ? await refuse(exchange, judged, options) : undefined
      const done = verdict ?? change(exchange, judged, options)
      const isRefused = typeof done !== 'string'
      note(exchange, { judged, isRefused, isSuspended: isRefused && done.kind === 'suspension' }, options)
      if (!isRefused) return { verdict: undefined, forwarded: done }
      options.release(exchange)
      return { verdict: done, forwarded: text }
    },
  }
}

interface Noted {
  readonly judged: Judged
  readonly isRefused: boolean
  readonly isSuspended: boolean
}

/** Whether a message passes or not, it ends the quiet time of whoever may be suspended for what he says. */
function note (
  exchange: Exchange, { judged, isRefused, isSuspended }: Noted, { silence, notes }: MeasuresOptions
): void {
  if (notes && !isSuspended) silence?.note(exchange, { refused: isRefused, reset: judged.use.rules.reset })
}

function isRefusing ({ action }: CategoryRule): boolean {
  return action === 'refuse' || action === 'suspend' || action === 'score'
}

function observe (exchange: Exchange, category: CategoryRule, { flagged }: MeasuresOptions): void {
  if (isRefusing(category)) exchange.observed.push(verdictOf(category))
  else if (category.action !== 'pass') flagged(exchange, { name: category.rule })
}

/**
 * The message goes on, told and changed as the policy says; answers what the backend will read. One that cannot be
 * changed although it must be is refused.
 */
function change (
  exchange: Exchange, { use, category, text }: Judged, options: MeasuresOptions
): string | Verdict {
  const { rules: { header, rewrite }, prompt } = use
  const { action, edits } = category
  if (action !== 'pass') options.flagged(exchange, { name: category.rule })
  if (header !== undefined && category.isTold) tell(exchange, [header, category.name], action === 'rewrite')
  if (action !== 'rewrite') {
    // A form, or no body that we read: cheaper is a wish, nothing that protects.
    if (canEdit(exchange)) exchange.edits.push(...edits)
    return text
  }
  const replacement = replacementOf(text, rewrite)
  const rewriting = { rule: prompt, scope: rewrite.scope, text: replacement }
  const rewritten = canEdit(exchange) ? rewritePrompt(exchange, rewriting) : []
  if (rewritten.length === 0) return verdictOf(category)
  exchange.edits.push(...rewritten, ...edits)
  return replacement
}

/** One class: where several places of a body are judged, that of the rewritten one. */
function tell ({ addedHeaders }: Exchange, field: readonly [name: string, value: string], outranks: boolean): void {
  const [name, value] = field
  const told = addedHeaders.find(([known]) => known === name)
  if (told === undefined) addedHeaders.push([name, value])
  else if (outranks) told[1] = value
}

/** The alarm, and the first words of what it was about. */
function replacementOf (text: string, { template, alarm, truncate }: DoormanUse['rules']['rewrite']): string {
  const values: Readonly<Record<string, string>> = { '{alarm}': alarm, '{truncated}': firstGraphemes(text, truncate) }
  return template.replaceAll(/\{alarm\}|\{truncated\}/g, (name) => values[name] ?? name)
}

async function refuse (exchange: Exchange, { use, category }: Judged, options: MeasuresOptions): Promise<Verdict> {
  if (category.action === 'suspend') return await suspend(exchange, { use, category }, options)
  return category.action === 'score' ? await score(exchange, category, options) : verdictOf(category)
}

async function suspend (
  exchange: Exchange, { use: { rules }, category }: Pick<Judged, 'use' | 'category'>, { silence }: MeasuresOptions
): Promise<Verdict> {
  const suspended = await silence?.suspend(exchange, {
    reason: 'content',
    rule: category.rule,
    message: category.message ?? BLOCKED,
    severity: category.severity,
    durationsMs: rules.suspensionsMs,
    reset: rules.reset,
  })
  return suspended ?? verdictOf(category)
}

async function score (exchange: Exchange, category: CategoryRule, { violations }: MeasuresOptions): Promise<Verdict> {
  const { rule, violation: type, score } = category
  return await chain(violations.book(exchange, { rule, type, score }), (booking): Verdict =>
    ({ ...contentVerdict(category), type, ...booking !== undefined && { booking } }))
}
