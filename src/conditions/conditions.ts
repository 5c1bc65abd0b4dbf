/** Conditions on a body, made into one question when the policy is loaded. */
import { visitValues } from '../prompt/prompt.js'
import type { PointerPattern } from '../prompt/contract.js'
import type { BodyTest, Condition, Conditions, Holds } from './contract.js'
import { createMentionTest } from './mention.js'
import { isNamed } from './name.js'

export { readName } from './name.js'

/** Whether any of the conditions holds; of none, none does. */
export function createConditions (conditions: Conditions): Holds {
  const questions = conditions.map(createCondition)
  return (body) => questions.some((holds) => holds(body))
}

function createCondition (condition: Condition): Holds {
  const tests = condition.map(createTest)
  return (body) => tests.every((holds) => holds(body))
}

function createTest (test: BodyTest): Holds {
  switch (test.kind) {
    case 'in': {
      const values = new Set(test.values)
      const isOneOf = (value: unknown) => isScalar(value) && values.has(String(value))
      return (body) => someValue(body, test.at, isOneOf)
    }
    case 'exists': return (body) => someValue(body, test.at, isThere) === test.exists
    case 'name': return (body) => someValue(body, test.at, (value) => isNamed(value, test.name))
    case 'mention': return createMentionTest(test)
  }
}

function someValue (body: unknown, at: PointerPattern, holds: (value: unknown) => boolean): boolean {
  let found = false
  visitValues(body, at, (value) => { found ||= holds(value) })
  return found
}

function isThere (value: unknown): boolean {
  return value !== undefined && value !== null
}

/** Lists and maps are no values that a policy could name. */
function isScalar (value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
