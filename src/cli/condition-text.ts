import type { BodyTest, Condition, Conditions } from '../conditions/contract.js'
import type { OnceRule } from '../deliveries/contract.js'
import type { AccessRules } from '../policy/contract.js'
import { durationText } from './duration-text.js'
import { pointerText } from './rule-text.js'

/** Which requests cost something, one condition a line: `when /message/chat/type is private`, `or /message/text means @bot`. */
export function conditionLines (conditions: Conditions): string[] {
  return conditions.map((condition, i) => `${i === 0 ? 'when' : 'or'} ${conditionText(condition)}`)
}

function conditionText (condition: Condition): string {
  return condition.map(testText).join(' and ')
}

function testText (test: BodyTest): string {
  switch (test.kind) {
    case 'in': return `${pointerText(test.at)} is ${test.values.join(' or ')}`
    case 'exists': return `${pointerText(test.at)} is ${test.exists ? 'there' : 'not there'}`
    case 'name': return `${pointerText(test.at)} is @${test.name}`
    case 'mention': return `${pointerText(test.text)} means ${test.name === undefined ? 'anybody' : `@${test.name}`}`
  }
}

/** `a delivery of the same /update_id within 1d is answered, not forwarded (10m while it has no answer)`. */
export function onceText ({ id, knownMs, inFlightMs }: OnceRule): string {
  return `a delivery of the same ${pointerText(id)} within ${durationText(knownMs)} is answered, not forwarded ` +
    `(${durationText(inFlightMs)} while it has no answer)`
}

/** Who may come: `users 42, 43; every group; others are told once per 1m`. Undefined: everybody, there is no list. */
export function allowText ({ allowUsers, allowGroups, allowRequired, allowNotice }: AccessRules): string | undefined {
  if (!allowRequired && allowUsers.size + allowGroups.size === 0) return undefined
  return [
    listText('user', allowUsers),
    listText('group', allowGroups),
    ...allowNotice === undefined ? [] : [`others are told once per ${durationText(allowNotice.everyMs)}`],
  ].join('; ')
}

function listText (what: string, list: ReadonlySet<string>): string {
  if (list.has('*')) return `every ${what}`
  return list.size === 0 ? `no ${what}` : `${what}s ${[...list].join(', ')}`
}
