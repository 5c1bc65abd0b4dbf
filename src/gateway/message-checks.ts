/** What a message goes through on a chat route: who is silenced, how often, what is said, and how often once more. */
import { randomUUID } from 'node:crypto'
import { chain } from '../chain.js'
import type { Concurrency } from '../concurrency/concurrency.js'
import { createContentCheck } from '../content/check.js'
import type { Check } from '../exchange.js'
import type { Forgiveness } from '../limits/forgiveness.js'
import { createLimitsCheck, createMessageCharge } from '../limits/limits.js'
import type { Limiter } from '../limits/contract.js'
import type { Requirements } from '../policy/contract.js'
import { createSilence, type Silence } from '../suspensions/check.js'
import type { ResetRule } from '../suspensions/contract.js'
import type { Rooms } from './rooms.js'

export interface MessageOptions {
  readonly requirements: Requirements
  readonly rooms: Rooms
  /** Takes the slots for messages in flight; undefined: nobody does here, as with frames. */
  readonly concurrency: Concurrency | undefined
  readonly forgiveness: Forgiveness | undefined
  onStoreError (error: Error): void
}

export interface MessageChecks {
  /** Before what is said is known. */
  readonly before: readonly Check[]
  /** Once it is. */
  readonly behind: readonly Check[]
}

/** Who silences whom on this route; undefined: nothing here could, or all of it only observes. */
export function silenceOf ({ requirements, rooms, onStoreError }: MessageOptions): Silence | undefined {
  const { inspections, limiters } = requirements
  const silences = inspections.some(({ content }) => !content.observe) ||
    limiters.some(({ suspend, observe }) => suspend !== undefined && !observe)
  const { suspensions: store, clock } = rooms
  return silences ? createSilence({ store, clock, newId: randomUUID, onStoreError }) : undefined
}

/** Limiters and slots as one step of the store: nothing stands between them. */
export function messageInOneStep (options: MessageOptions, silence: Silence | undefined): Check[] {
  return counted(options, { ...options, limiters: options.requirements.limiters, silence, takesSlots: true })
}

/** In two steps, with what is said between them. */
export function messageInTwoSteps (options: MessageOptions, silence: Silence | undefined): MessageChecks {
  const { limiters } = options.requirements
  const atHead = limiters.filter(({ after }) => after === 'head')
  const last = limiters.filter(({ after }) => after === 'content')
  const behind = counted(options, { limiters: last, silence, takesSlots: true, forgiveness: undefined })
  return {
    before: atHead.length === 0 && silence !== undefined
      ? [silence.check]
      : counted(options, { ...options, limiters: atHead, silence, takesSlots: false }),
    behind: [...contentChecks(options, silence), ...noted(behind, silence, resetOf(options.requirements))],
  }
}

interface Counting {
  readonly limiters: readonly Limiter[]
  readonly silence: Silence | undefined
  readonly takesSlots: boolean
  /** Undefined: every request counts. */
  readonly forgiveness: Forgiveness | undefined
}

function counted (options: MessageOptions, { limiters, silence, takesSlots, forgiveness }: Counting): Check[] {
  const { requirements, rooms, onStoreError } = options
  const concurrency = takesSlots && requirements.concurrency.length > 0 ? options.concurrency : undefined
  if (limiters.length === 0) return concurrency === undefined ? [] : [concurrency.check]
  const { counters: store, violations, clock } = rooms
  const reset = resetOf(requirements)
  return [createLimitsCheck({
    limiters,
    store,
    slots: concurrency?.desk,
    silence,
    reset,
    forgiveness,
    violations,
    clock,
    newId: randomUUID,
    onStoreError,
  })]
}

function contentChecks ({ requirements, rooms, onStoreError }: MessageOptions, silence: Silence | undefined): Check[] {
  const { inspections, limiters } = requirements
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
function resetOf ({ inspections }: Requirements): ResetRule | undefined {
  const rules = inspections.find(({ content }) => !content.observe)?.content
  return rules && { resetAfterMs: rules.resetAfterMs, resetOn: rules.resetOn }
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
