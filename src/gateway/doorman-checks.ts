/** The doorman's place among the checks of a message: behind all others. */
import type { Concurrency } from '../concurrency/concurrency.js'
import { createDoormanCheck } from '../doorman/check.js'
import { createMeasures } from '../doorman/measures.js'
import type { Check } from '../exchange.js'
import type { MessageRules } from '../policy/contract.js'
import type { Silence } from '../suspensions/check.js'
import type { Rooms } from './rooms.js'

export interface DoormanChecksOptions {
  readonly rules: MessageRules
  readonly rooms: Rooms
  readonly concurrency: Concurrency
  /** Undefined: nobody is silenced here. */
  readonly silence: Silence | undefined
}

export function doormanChecks ({ rules, rooms, concurrency, silence }: DoormanChecksOptions): Check[] {
  const { doorman: uses, inspections } = rules
  if (uses.length === 0) return []
  const { doorman, metrics, violations, refusals } = rooms
  const measures = createMeasures({
    silence,
    notes: inspections.length === 0,
    violations,
    release: concurrency.release,
    flagged: (exchange, rule) => {
      metrics.flagged(rule.name)
      refusals.flagged(exchange, rule)
    },
  })
  return [createDoormanCheck({ uses, doorman, meters: metrics.doorman, measures })]
}
