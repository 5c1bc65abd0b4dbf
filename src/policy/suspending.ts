import type { DoormanRules } from '../doorman/contract.js'
import type { Limiter } from '../limits/contract.js'
import type { Policy } from './contract.js'
import type { MessageRules } from './plan-contract.js'

/** Whether anything in this policy suspends. Where nothing does, nobody is looked up, and no messages are noted. */
export function suspendsAnybody ({ limiters, content, doorman }: Policy): boolean {
  return [...limiters.values()].some(isSuspending) || [...content.values()].some(({ checks, observe }) =>
    !observe && checks.some(({ action }) => action === 'suspend')) ||
    (doorman !== undefined && isDoormanSuspending(doorman))
}

/** Whether who is suspended is silent where these rules hold: all of them may only observe, or never look. */
export function silencesAnybody ({ inspections, limiters, doorman }: MessageRules): boolean {
  return inspections.some(({ content }) => !content.observe) || limiters.some(isSuspending) ||
    doorman.some(({ rules, observe }) => !observe && isDoormanSuspending(rules))
}

function isDoormanSuspending ({ categories, observe }: DoormanRules): boolean {
  return !observe && [...categories.values()].some(({ action }) => action === 'suspend')
}

function isSuspending ({ suspend, observe }: Limiter): boolean {
  return suspend !== undefined && !observe
}
