import type { PromptDocument } from '../config/content-schema.js'
import { parsePointerPattern, type PointerPattern } from '../json-pattern.js'
import type { ConversationRule, PromptRule } from '../prompt/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { pointerOf } from './pointers.js'

const USER_ROLES = ['user']

/** Makes the rule of where a route's prompts stand. */
export function compilePrompt (prompt: PromptDocument, path: DocumentPath, report: Report): PromptRule {
  const { text = [], conversation = [], quotes = [], rest = [], fields = [] } = prompt
  if (text.length + conversation.length + fields.length === 0) {
    report(path, 'nothing', 'where the prompt stands: text, conversation or fields')
  }
  return {
    texts: text.map((pointer, i) => patternOf(pointer, [...path, 'text', i], report)),
    conversations: conversation.map((one, i) => compileConversation(one, [...path, 'conversation', i], report)),
    quotes: quotes.map((pointer, i) => patternOf(pointer, [...path, 'quotes', i], report)),
    rest: rest.map((pointer, i) => patternOf(pointer, [...path, 'rest', i], report)),
    fields,
  }
}

type ConversationDocument = NonNullable<PromptDocument['conversation']>[number]

function compileConversation (one: ConversationDocument, path: DocumentPath, report: Report): ConversationRule {
  return {
    list: patternOf(one.list, [...path, 'list'], report),
    role: pointerOf(one.role, [...path, 'role'], report),
    users: new Set(one.user ?? USER_ROLES),
    texts: one.text.map((pointer, i) => patternOf(pointer, [...path, 'text', i], report)),
  }
}

export function patternOf (text: string, path: DocumentPath, report: Report): PointerPattern {
  const pattern = parsePointerPattern(text)
  if (pattern === undefined) {
    report(path, JSON.stringify(text), 'a JSON pointer: /NAME/NAME, with * for every element, ~0 for ~ and ~1 for / in a name')
  }
  return pattern ?? []
}
