/** Which messages are triggers: those that cost something. All others pass what a trigger goes through. */
import type { Check, Exchange, ObserveAnswer } from '../exchange.js'
import type { TriggerRule } from '../policy/contract.js'

const NO_CHECKS: readonly Check[] = []

/** Finds out, before anything is asked that depends on it. */
export function triggerCheck (when: TriggerRule | undefined): readonly Check[] {
  return when === undefined ? NO_CHECKS : [createTriggerCheck(when)]
}

function createTriggerCheck ({ holds }: TriggerRule): Check {
  return (exchange) => {
    exchange.isTrigger = isUnread(exchange) || holds(exchange.json)
    return undefined
  }
}

/** It says something, but not in JSON: what it costs, the conditions cannot tell. */
function isUnread ({ json, body }: Exchange): boolean {
  return json === undefined && body !== undefined && body.length > 0
}

/** The same checks, of triggers alone. */
export function onlyTriggers (when: TriggerRule | undefined, checks: readonly Check[]): readonly Check[] {
  if (when === undefined) return checks
  return checks.map((check): Check => (exchange) => exchange.isTrigger ? check(exchange) : undefined)
}

/** The same observer, of the answers to triggers alone. */
export function onlyTriggersAnswer (when: TriggerRule | undefined, observe: ObserveAnswer): ObserveAnswer {
  return when === undefined ? observe : (exchange) => exchange.isTrigger ? observe(exchange) : undefined
}
