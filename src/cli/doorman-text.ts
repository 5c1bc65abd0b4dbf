import type { CategoryRule, DoormanRules, DoormanUse } from '../doorman/contract.js'
import { durationText } from './duration-text.js'
import { promptText } from './rule-text.js'

/** The doorman in one line: who is asked, how long, and what is done about each category. */
export function doormanText (rules: DoormanRules): string {
  const { endpoint: { url, model }, deadlineMs, budget, categories, observe } = rules
  const { host } = new URL(url)
  const limits = [
    ...budget.requests === undefined ? [] : [`${budget.requests} calls a day`],
    ...budget.tokens === undefined ? [] : [`${budget.tokens} tokens a day`],
  ]
  const asked = [`${model ?? 'the model'} at ${host}`, `within ${durationText(deadlineMs)}`, ...limits].join(', ')
  return `${asked}: ${[...categories.values()].map(categoryText).join(', ')}${observe ? '; observed only' : ''}`
}

/** What he looks at on a route: `/text`, and where a conversation's name stands. */
export function doormanUseText ({ prompt, conversation }: DoormanUse): string {
  const names = conversation.map((pointer) => `/${pointer.join('/')}`)
  return `${promptText(prompt)}${names.length === 0 ? '' : `; remembers by ${names.join(', ')}`}`
}

/** `JAILBREAK rewrite`, `SPAM score 5 for doorman_violation` */
function categoryText ({ name, action, score, violation }: CategoryRule): string {
  return `${name} ${action}${action === 'score' ? ` ${score} for ${violation}` : ''}`
}
