/** What is done about a message once its category is known. */
import { chain } from '../chain.js'
import type { Exchange } from '../exchange.js'
import type { Silence } from '../suspensions/check.js'
import type { Verdict } from '../verdict/verdict.js'
import type { Violations } from '../violations/violations.js'
import type { CategoryRule, DoormanUse, FailureReason } from './contract.js'
import { letPass } from './let-pass.js'
import type { Recalled } from './recall.js'
import type { Rewritings } from './rewritings.js'
import { contentVerdict, verdictOf } from './verdicts.js'

const BLOCKED = 'Your account has been temporarily suspended for {minutes} minutes due to a content policy violation.'

export interface MeasuresOptions {
  /** Undefined: nothing here suspends. */
  readonly silence: Silence | undefined
  /** Says of each message whether it came to anything, for the quiet time; false: content rules do. */
  readonly notes: boolean
  readonly violations: Pick<Violations, 'book'>
  /** Remembers what is rewritten. */
  readonly rewritings: Rewritings
  /** A message that is forwarded was worth a note. */
  flagged (exchange: Exchange, rule: { readonly name: string }): void
}

/** A judged message. */
export interface Judged {
  readonly use: DoormanUse
  readonly category: CategoryRule
  /** Why nobody could say; undefined: somebody did. */
  readonly reason: FailureReason | undefined
  /** What the person said. */
  readonly text: string
  /** What is replaced whatever its category is. */
  readonly recalled: Recalled
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
      const { use, text } = judged
      if (use.observe) {
        observe(exchange, judged, options)
        return { verdict: undefined, forwarded: text }
      }
      const verdict = isRefusing(judged.category) ? await refuse(exchange, judged, options) : undefined
      const done = verdict ?? await letPass(exchange, judged, options)
      const isRefused = typeof done !== 'string'
      note(exchange, { judged, isRefused, isSuspended: isRefused && done.kind === 'suspension' }, options)
      return isRefused ? { verdict: done, forwarded: text } : { verdict: undefined, forwarded: done }
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

function observe (exchange: Exchange, { category, reason }: Judged, { flagged }: MeasuresOptions): void {
  if (isRefusing(category)) exchange.observed.push(verdictOf(category, reason))
  else if (category.action !== 'pass') flagged(exchange, { name: category.rule })
}

async function refuse (exchange: Exchange, judged: Judged, options: MeasuresOptions): Promise<Verdict> {
  const { use, category, reason } = judged
  if (category.action === 'suspend') return await suspend(exchange, { use, category }, options)
  return category.action === 'score' ? await score(exchange, category, options) : verdictOf(category, reason)
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
  return suspended ?? contentVerdict(category)
}

async function score (exchange: Exchange, category: CategoryRule, { violations }: MeasuresOptions): Promise<Verdict> {
  const { rule, violation: type, score } = category
  return await chain(violations.book(exchange, { rule, type, score }), (booking): Verdict =>
    ({ ...contentVerdict(category), type, ...booking !== undefined && { booking } }))
}
