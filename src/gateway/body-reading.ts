/** How the checks of a plan want bodies and frames to be read. Found out once, when the plan is made. */
import type { Check } from '../exchange.js'
import type { Identifier } from '../identity/contract.js'
import type { Policy } from '../policy/contract.js'
import type { MessageRules, PlanParts, Requirements } from '../policy/plan-contract.js'
import { modelOf } from '../tokens/tokens.js'

/** A sign-in, or a body with a token in it, that is larger is none of a person's. */
const LARGEST_SIGN_IN = 16 * 1024

export interface ReadingOptions {
  readonly policy: Pick<Policy, 'maxInspectedBody'>
  readonly identifier: Identifier
}

export interface BodyReadings extends Pick<PlanParts, 'reading' | 'frameReading' | 'bodyLimit'> {
  /** What the body says decides before all else: then every check but those of sender and address waits for it. */
  readonly waits: boolean
}

export function readingsOf (requirements: Requirements, { policy, identifier }: ReadingOptions): BodyReadings {
  const { entries, identity, accounts, frames } = requirements
  const waits = entries.length > 0 && (identifier.withSources(identity).readsBody || readsTriggers(requirements))
  const reading = waits || accounts.length > 0 ? 'sign-in' : looserReading(requirements)
  return {
    waits,
    reading,
    frameReading: frames === undefined ? 'none' : hasPrompts(frames) ? 'strict' : 'loose',
    bodyLimit: reading === 'none' ? 0 : bodyLimitOf(requirements, { policy, identifier }),
  }
}

/** The model that a body asks for, where somebody is counted by it. Goes before every check that counts. */
export function modelChecks ({ limiters, tokens: rules }: MessageRules): Check[] {
  if (!limiters.some(({ key }) => key.includes('model'))) return []
  return [(exchange) => {
    exchange.model = modelOf(exchange, rules)
    return undefined
  }]
}

function looserReading (requirements: Requirements): 'strict' | 'loose' | 'none' {
  if (hasPrompts(requirements)) return 'strict'
  return tellsApart(requirements) ? 'loose' : 'none'
}

/** A body that carries messages may be large, one that only signs somebody in not. */
function bodyLimitOf (requirements: Requirements, { policy, identifier }: ReadingOptions): number {
  const holdsMessages = readsTriggers(requirements) || hasPrompts(requirements) ||
    (requirements.accounts.length === 0 && (identifier.readsBody || tellsApart(requirements)))
  return holdsMessages ? policy.maxInspectedBody : Math.min(LARGEST_SIGN_IN, policy.maxInspectedBody)
}

/** It decides on what a message costs, or whether it was here before. */
function readsTriggers ({ when, once }: Requirements): boolean {
  return when !== undefined || once !== undefined
}

/** What is said counts. */
function hasPrompts ({ inspections, doorman, tokens }: MessageRules): boolean {
  return inspections.length + doorman.length + tokens.length > 0
}

/** By a key in it a message is known again. */
function tellsApart ({ concurrency }: MessageRules): boolean {
  return concurrency.some(({ stream }) => stream?.repeat !== undefined)
}
