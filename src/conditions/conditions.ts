/** Conditions on a body, made into one question when the policy is loaded. */
import type { BodyTest, Condition, Conditions, Doubt, Holds } from './contract.js'
import { testMention } from './mention.js'
import { isNamed } from './name.js'
import { readAt, type Reading } from './reading.js'

export { readName } from './name.js'

/** Undefined: backends may differ on it. */
type Answer = boolean | undefined
type Test = (body: unknown) => Answer

/**
 * Whether any of the conditions holds; of none, none does. Where backends that tell capital letters from small ones
 * and backends that do not would read a body differently, a test holds or fails as `doubt` says.
 */
export function createConditions (conditions: Conditions, doubt: Doubt): Holds {
  const questions = conditions.map((condition) => createCondition(condition, doubt === 'holds'))
  return (body) => questions.some((holds) => holds(body))
}

function createCondition (condition: Condition, inDoubt: boolean): Holds {
  const tests = condition.map(createTest)
  return (body) => tests.every((test) => test(body) ?? inDoubt)
}

function createTest (test: BodyTest): Test {
  switch (test.kind) {
    case 'in': {
      const values = new Set(test.values)
      return (body) => answer(readAt(body, test.at), (value) => isScalar(value) && values.has(String(value)))
    }
    case 'exists': return (body) => {
      const { values, isDoubtful } = readAt(body, test.at)
      return isDoubtful ? undefined : (values.length > 0) === test.exists
    }
    case 'name': return (body) => answer(readAt(body, test.at), (value) => isNamed(value, test.name))
    case 'mention': return (body) => testMention(body, test)
  }
}

function answer ({ values, isDoubtful }: Reading, holds: (value: unknown) => boolean): Answer {
  return isDoubtful ? undefined : values.some(holds)
}

/** Lists and maps are no values that a policy could name. */
function isScalar (value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
