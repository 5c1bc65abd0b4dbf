import { readStrictJson } from '../prompt/prompt.js'
import type { Classification } from './contract.js'

/** A name and a reason, should a server insist on one. */
const LONGEST_ANSWER = 4096
const UNSURE_OF: Classification = { kind: 'unsure' }

/**
 * `{"category": "<NAME>"}` with a name of the policy's, spelled as it is there; other members are ignored. Anything else
 * is unsure: prose, code fences, lists, several objects, a name twice. A judge that merely discusses a label has not
 * given it (the replaced system takes it so: reference telegram-bot.md, "weaknesses not to copy").
 */
export function readAnswer (text: string | undefined, labels: ReadonlyMap<string, unknown>): Classification {
  if (text === undefined || text.length > LONGEST_ANSWER) return UNSURE_OF
  const reading = readStrictJson(text)
  if (reading.fault !== undefined) return UNSURE_OF
  const { value } = reading
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return UNSURE_OF
  const name: unknown = Object.hasOwn(value, 'category') ? Reflect.get(value, 'category') : undefined
  return typeof name === 'string' && labels.has(name) ? { kind: 'category', name } : UNSURE_OF
}
