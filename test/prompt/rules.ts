import { parsePointerPattern } from '../../src/json-pattern.js'
import type { ConversationRule, PromptRule } from '../../src/prompt/contract.js'

/** A prompt rule as a policy file has it. */
export interface WrittenRule {
  readonly text?: readonly string[]
  readonly conversation?: readonly { list: string, role: string, user?: readonly string[], text: readonly string[] }[]
  readonly quotes?: readonly string[]
  readonly rest?: readonly string[]
  readonly fields?: readonly string[]
}

export function promptRule (written: WrittenRule): PromptRule {
  const { text = [], conversation = [], quotes = [], rest = [], fields = [] } = written
  const patterns = (pointers: readonly string[]) => pointers.map((pointer) => parsePointerPattern(pointer) ?? [])
  return {
    texts: patterns(text),
    conversations: conversation.map(({ list, role, user = ['user'], text }): ConversationRule => ({
      list: parsePointerPattern(list) ?? [],
      role: role.slice(1).split('/'),
      users: new Set(user),
      texts: patterns(text),
    })),
    quotes: patterns(quotes),
    rest: patterns(rest),
    fields,
  }
}

const messages = { list: '/messages', role: '/role', text: ['/content'] }

export const rules = {
  libreChat: promptRule({ text: ['/text', '/quotes/*/text'], rest: ['/promptPrefix'] }),
  chat: promptRule({ conversation: [messages], fields: ['prompt'] }),
  responses: promptRule({
    text: ['/prompt/variables/*'], conversation: [{ ...messages, list: '/input' }], rest: ['/instructions'],
  }),
  anthropic: promptRule({ conversation: [messages], rest: ['/system'] }),
  cat1: promptRule({ text: ['/text'] }),
  both: promptRule({ text: ['/text'], conversation: [messages, { ...messages, list: '/input' }], rest: ['/system'], fields: ['prompt'] }),
}
