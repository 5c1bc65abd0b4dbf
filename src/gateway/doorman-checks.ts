/** The doorman's place among the checks of a message: behind all others. */
import { createDoormanCheck, createMeasures } from '../doorman/doorman.js'
import type { Check } from '../exchange.js'
import type { MessageRules } from '../policy/plan-contract.js'
import type { Silence } from '../suspensions/check.js'
import type { Rooms } from './rooms.js'

export interface DoormanChecksOptions {
  readonly rules: MessageRules
  readonly rooms: Rooms
  /** Undefined: nobody is silenced here. */
  readonly silence: Silence | undefined
}

export function doormanChecks ({ rules, rooms, silence }: DoormanChecksOptions): Check[] {
  const { doorman: uses, inspections } = rules
  if (uses.length === 0) return []
  const { doorman, metrics, violations, refusals } = rooms
  const measures = createMeasures({
    silence,
    notes: inspections.length === 0,
    violations,
    rewritings: doorman.rewritings,
    flagged: (exchange, rule) => {
      metrics.flagged(rule.name)
      refusals.flagged(exchange, rule)
    },
  })
  return [createDoormanCheck({ uses, doorman, meters: metrics.doorman, measures })]
}
