/** What a message goes through on a chat route: who is silenced, how often, what is said, and how often once more. */
import { randomUUID } from 'node:crypto'
import { chain } from '../chain.js'
import type { Clock } from '../clock.js'
import type { Concurrency } from '../concurrency/concurrency.js'
import { createContentCheck } from '../content/check.js'
import type { Check } from '../exchange.js'
import type { Forgiveness } from '../limits/forgiveness.js'
import { createLimitsCheck, createMessageCharge } from '../limits/limits.js'
import type { Limiter } from '../limits/contract.js'
import type { Policy } from '../policy/contract.js'
import type { MessageRules } from '../policy/plan-contract.js'
import { silencesAnybody, suspendsAnybody } from '../policy/suspending.js'
import { createSilence, type Silence } from '../suspensions/check.js'
import { createReserve } from '../tokens/tokens.js'
import type { ResetRule } from '../suspensions/contract.js'
import type { Rooms } from './rooms.js'

/** A body that is longer on its way was held back. */
const LATE_MS = 1000

export interface MessageOptions {
  readonly rules: MessageRules
  readonly rooms: Rooms
  /** Takes the slots for messages in flight. */
  readonly concurrency: Concurrency
  readonly silence: Silence | undefined
  readonly forgiveness: Forgiveness | undefined
  onStoreError (error: Error): void
}

export interface MessageChecks {
  /** Before what is said is known. */
  readonly before: readonly Check[]
  /** Once it is. */
  readonly behind: readonly Check[]
}

interface SilenceRooms extends Pick<MessageOptions, 'rooms' | 'onStoreError'> { readonly policy: Policy }

/** Who silences whom; undefined: nothing in this policy suspends. */
export function silenceUnder ({ policy, rooms, onStoreError }: SilenceRooms): Silence | undefined {
  const { suspensions: store, clock } = rooms
  return suspendsAnybody(policy) ? createSilence({ store, clock, newId: randomUUID, onStoreError }) : undefined
}

/** The same for these rules; undefined: nobody is silent here. */
export function silenceOf (rules: MessageRules, silence: Silence | undefined): Silence | undefined {
  return silencesAnybody(rules) ? silence : undefined
}

/** Limiters and slots as one step of the store: nothing stands between them. */
export function messageInOneStep (options: MessageOptions): Check[] {
  return counted(options, { ...options, limiters: options.rules.limiters, takesSlots: true })
}

/** In two steps, with what is said between them. */
export function messageInTwoSteps (options: MessageOptions): MessageChecks {
  const { rules: { limiters, inspections }, silence } = options
  const atHead = limiters.filter(({ after }) => after === 'head')
  const last = limiters.filter(({ after }) => after !== 'head')
  const behind = counted(options, { limiters: last, takesSlots: true, forgiveness: undefined })
  return {
    before: atHead.length === 0 && silence !== undefined
      ? [silence.check]
      : counted(options, { ...options, limiters: atHead, takesSlots: false }),
    behind: [
      // Limiters behind content look once more by themselves.
      ...last.length === 0 && silence !== undefined ? [whenLate(silence.check, options.rooms.clock)] : [],
      ...contentChecks(options),
      ...noted(behind, silence, resetOf(inspections)),
    ],
  }
}

/** Who took his time over a body may have been suspended meanwhile; nobody else is asked after twice. */
function whenLate (check: Check, clock: Clock): Check {
  return (exchange) => clock() - exchange.receivedAt < LATE_MS ? undefined : check(exchange)
}

interface Counting {
  readonly limiters: readonly Limiter[]
  readonly takesSlots: boolean
  /** Undefined: every request counts. */
  readonly forgiveness: Forgiveness | undefined
}

function counted (options: MessageOptions, { limiters, takesSlots, forgiveness }: Counting): Check[] {
  const { rules, rooms, silence, onStoreError } = options
  const concurrency = takesSlots && rules.concurrency.length > 0 ? options.concurrency : undefined
  if (limiters.length === 0) return concurrency === undefined ? [] : [concurrency.check]
  const { counters: store, violations, clock } = rooms
  const reset = resetOf(rules.inspections)
  return [createLimitsCheck({
    limiters,
    store,
    slots: concurrency?.desk,
    reserve: createReserve({ rules: rules.tokens, limiters }),
    silence,
    reset,
    forgiveness,
    violations,
    clock,
    newId: randomUUID,
    onStoreError,
  })]
}

function contentChecks ({ rules, rooms, silence, onStoreError }: MessageOptions): Check[] {
  const { inspections, limiters } = rules
  if (inspections.length === 0) return []
  const { counters: store, violations, clock, metrics, refusals } = rooms
  return [createContentCheck({
    inspections,
    silence,
    violations,
    charge: createMessageCharge({ limiters, store, clock, onStoreError }),
    flagged: (exchange, check) => {
      metrics.flagged(check.name)
      refusals.flagged(exchange, check)
    },
  })]
}

/** Of the rules that can silence; where several hold, the first. */
function resetOf (inspections: MessageRules['inspections']): ResetRule | undefined {
  return inspections.find(({ content }) => !content.observe)?.content.reset
}

/** Whether a message passes or not, it ends the quiet time of whoever may be suspended for what he says. */
function noted (checks: readonly Check[], silence: Silence | undefined, reset: ResetRule | undefined): Check[] {
  if (silence === undefined || reset === undefined) return [...checks]
  const watched = checks.map((check): Check => (exchange) => chain(check(exchange), (verdict) => {
    if (verdict !== undefined && verdict.kind !== 'suspension') silence.note(exchange, { refused: true, reset })
    return verdict
  }))
  const passed: Check = (exchange) => {
    silence.note(exchange, { refused: false, reset })
    return undefined
  }
  return [...watched, passed]
}
