import { isSameName } from '../json-members.js'
import { EACH, type PointerPattern } from '../json-pattern.js'
import type { ConversationRule, PromptRule } from './contract.js'
import type { Fields } from './form-fields.js'
import { MOST_DEPTH } from './strict-json.js'

/** What separates the names in `messages[0][content]` and `messages.0.content`. */
const BETWEEN_NAMES = /\]\[|\[|\]|\./

/**
 * What a form says for the person: the fields that the rule names, and those that common form parsers nest into
 * what its pointers name in JSON, since many backends take either (`messages[0][content]=…`). Of a conversation in
 * this form all counts as the newest message: nobody sends one so but to get around the checks.
 */
export function formTexts (fields: Fields, rule: PromptRule): string[] {
  return collect(fields, (name, path) => rule.fields.some((field) => isSameName(field, name)) ||
    rule.texts.some((pattern) => isBelow(path, pattern)) || rule.conversations.some((one) => isSaid(path, one)))
}

/** Of those fields what the newest message points at. */
export function formQuotes (fields: Fields, rule: PromptRule): string[] {
  return collect(fields, (_name, path) => rule.quotes.some((pattern) => isBelow(path, pattern)))
}

/** Of those fields what only the scope `all` looks at. */
export function formRest (fields: Fields, rule: PromptRule): string[] {
  return collect(fields, (_name, path) => rule.rest.some((pattern) => isBelow(path, pattern)))
}

function collect (fields: Fields, isWanted: (name: string, path: readonly string[]) => boolean): string[] {
  const texts: string[] = []
  for (const [name, values] of fields) {
    if (isWanted(name, pathOf(name))) texts.push(...values.filter((value) => value !== ''))
  }
  return texts
}

/** An index that is left out (`quotes[][text]`) stays as an empty name. */
function pathOf (name: string): readonly string[] {
  const path = name.split(BETWEEN_NAMES, MOST_DEPTH)
  if (path.at(-1) === '') path.pop()
  if (path[0] === '') path.shift()
  return path
}

/** Within a conversation, and not merely who speaks. */
function isSaid (path: readonly string[], { list, role }: ConversationRule): boolean {
  return isBelow(path, list) && !(role.length > 0 && isBelow(path.slice(-role.length), role))
}

function isBelow (path: readonly string[], pattern: PointerPattern): boolean {
  return path.length >= pattern.length &&
    pattern.every((part, i) => part === EACH || isSameName(part, path[i] as string))
}
