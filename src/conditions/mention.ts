/**
 * Who is meant in a text, by its entities as Telegram sends them (reference telegram-bot.md, "The webhook, as a proxy
 * sees it"): offsets and lengths count UTF-16 units, as JavaScript does.
 */
import type { PointerPattern } from '../prompt/contract.js'
import { visitValues } from '../prompt/prompt.js'
import type { Holds, MentionTest } from './contract.js'
import { isNamed } from './name.js'

const AT = '@'
const SLASH = '/'
/** A command and a name have 32 characters each; nothing longer is one. */
const LONGEST_COMMAND = 128

export function createMentionTest ({ text: textAt, entities: entitiesAt, name }: MentionTest): Holds {
  return (body) => {
    const texts = valuesAt(body, textAt)
    const lists = valuesAt(body, entitiesAt)
    if (texts.length === 0 || lists.length === 0) return false
    // Spelled in two ways: nobody can say which of them a backend reads, so it may well be meant.
    if (texts.length > 1 || lists.length > 1) return true
    const [text] = texts
    const [list] = lists
    if (typeof text !== 'string' || !Array.isArray(list)) return false
    return list.some((entity: unknown) => isMeant(entity, text, name))
  }
}

function valuesAt (body: unknown, at: PointerPattern): unknown[] {
  const values: unknown[] = []
  visitValues(body, at, (value) => { if (value !== undefined && value !== null) values.push(value) })
  return values
}

/** Without a name, any that is meant will do. */
function isMeant (entity: unknown, text: string, name: string | undefined): boolean {
  switch (memberOf(entity, 'type')) {
    case 'mention': return name === undefined || isMention(wordOf(entity, text), name)
    case 'text_mention': return name === undefined || isNamed(memberOf(memberOf(entity, 'user'), 'username'), name)
    case 'bot_command': return name === undefined || isCommandFor(wordOf(entity, text), name)
    default: return false
  }
}

function isMention (word: string, name: string): boolean {
  return word.startsWith(AT) && isNamed(word, name)
}

/** `/start` is for every bot in the chat, `/start@name` for one. */
function isCommandFor (word: string, name: string): boolean {
  if (!word.startsWith(SLASH) || word.length > LONGEST_COMMAND) return false
  const at = word.indexOf(AT)
  return at < 0 || isNamed(word.slice(at), name)
}

/** The part of the text that an entity marks; empty for what marks none. */
function wordOf (entity: unknown, text: string): string {
  const offset = memberOf(entity, 'offset')
  const length = memberOf(entity, 'length')
  if (!isCount(offset) || !isCount(length) || offset + length > text.length) return ''
  return text.slice(offset, offset + length)
}

function isCount (value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0
}

function memberOf (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}
