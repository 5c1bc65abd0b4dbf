import type { Prompt } from '../prompt/contract.js'
import type { ContentCheck, ContentRules, Finding, InspectedPrompt } from './contract.js'
import { inspectPrompt } from './inspect-prompt.js'

export interface Hit {
  readonly check: ContentCheck
  readonly finding: Finding
}

export interface Inspection {
  /** The first check, in the order of the policy, that has something against the prompt and does not only flag it. */
  readonly hit: Hit | undefined
  /** What flagging checks before it had against it. */
  readonly flags: readonly Hit[]
}

const NOTHING: Inspection = { hit: undefined, flags: [] }
/** Never booked: what is merely refused is not scored. */
const VIOLATION = 'content_violation'

/**
 * UTF-16 units of all messages together, of which one reading takes less than 20 ms, whatever it is made of. Inspection
 * of more would hold up everybody else: a longer prompt is refused, never inspected in part.
 */
export const MOST_INSPECTED = 65_536

/**
 * Looks at what is said. Pure, synchronous, linear in the length of the prompt; an empty prompt passes. Of one that is
 * longer than `MOST_INSPECTED` only the length is checked, and it is refused in any case. Requests go by
 * `inspectInTurns`: a long prompt may have many readings.
 */
export function inspect (prompt: Prompt, rules: ContentRules): Inspection {
  if (prompt.length === 0 || rules.checks.length === 0) return NOTHING
  const inspected = inspectPrompt(prompt, rules.normalise)
  const units = unitsIn(prompt)
  if (units <= MOST_INSPECTED) return firstHit(inspected, rules.checks)
  const { hit, flags } = firstHit(inspected, rules.checks.filter(({ kind }) => kind === 'length'))
  return { hit: hit ?? { check: tooLong(rules), finding: { found: String(units) } }, flags }
}

function firstHit (inspected: InspectedPrompt, checks: readonly ContentCheck[]): Inspection {
  const flags: Hit[] = []
  for (const check of checks) {
    const finding = check.find(inspected)
    if (finding === undefined) continue
    if (check.action !== 'flag') return { hit: { check, finding }, flags }
    flags.push({ check, finding })
  }
  return flags.length === 0 ? NOTHING : { hit: undefined, flags }
}

/** Told, not punished: no rule of the operator's was broken. */
function tooLong ({ name }: ContentRules): ContentCheck {
  return {
    name: `${name}.length`,
    kind: 'length',
    action: 'refuse',
    severity: undefined,
    message: undefined,
    violation: VIOLATION,
    score: 0,
    find: () => undefined,
  }
}

/** UTF-16 units of all messages together. */
export function unitsIn (prompt: Prompt): number {
  let units = 0
  for (const parts of prompt) for (const part of parts) units += part.length
  return units
}
