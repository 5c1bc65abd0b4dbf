/** Who is meant in a text, by the entities that mark its parts: offsets and lengths count UTF-16 units, as here. */
import type { PointerPattern } from '../json-pattern.js'
import type { EntityKind, MentionTest } from './contract.js'
import { isNamed } from './name.js'
import { readAt } from './reading.js'

const AT = '@'
const SLASH = '/'
/** A command and a name have 32 characters each; nothing longer is one. */
const LONGEST_COMMAND = 128
const TYPE = ['type']
const OFFSET = ['offset']
const LENGTH = ['length']

/** Whether somebody of that name is meant; undefined: who can say which spelling of a member a backend reads? */
export function testMention (body: unknown, test: MentionTest): boolean | undefined {
  const [texts, lists] = [readAt(body, test.text), readAt(body, test.entities)]
  if (texts.isDoubtful || lists.isDoubtful) return undefined
  const [text] = texts.values
  const [list] = lists.values
  if (typeof text !== 'string' || !Array.isArray(list)) return false
  const answers = list.map((entity: unknown) => isMeant(entity, text, test))
  return answers.includes(true) || (answers.includes(undefined) ? undefined : false)
}

/** Without a name, any that is meant will do. */
function isMeant (entity: unknown, text: string, { kinds, name }: MentionTest): boolean | undefined {
  const type = memberOf(entity, TYPE)
  if (type.isDoubtful) return undefined
  const kind = kinds.find(([known]) => known === type.value)?.[1]
  if (kind === undefined) return false
  return name === undefined || isFor(name, kind, { entity, text })
}

interface Marked { readonly entity: unknown, readonly text: string }

function isFor (name: string, kind: EntityKind, { entity, text }: Marked): boolean | undefined {
  if (kind !== 'name' && kind !== 'command') {
    const { values, isDoubtful } = readAt(entity, kind)
    return isDoubtful ? undefined : values.some((value) => isNamed(value, name))
  }
  const word = wordOf(entity, text)
  if (word === undefined) return undefined
  return kind === 'name' ? word.startsWith(AT) && isNamed(word, name) : isCommandFor(word, name)
}

/** `/start` is for everybody in the chat, `/start@name` for one. */
function isCommandFor (word: string, name: string): boolean {
  if (!word.startsWith(SLASH) || word.length > LONGEST_COMMAND) return false
  const at = word.indexOf(AT)
  return at < 0 || isNamed(word.slice(at), name)
}

/** The part of the text that an entity marks; empty for what marks none, undefined where backends may differ. */
function wordOf (entity: unknown, text: string): string | undefined {
  const [offset, length] = [memberOf(entity, OFFSET), memberOf(entity, LENGTH)]
  if (offset.isDoubtful || length.isDoubtful) return undefined
  const [begin, units] = [offset.value, length.value]
  if (!isCount(begin) || !isCount(units) || begin + units > text.length) return ''
  return text.slice(begin, begin + units)
}

function memberOf (entity: unknown, name: PointerPattern) {
  const { values, isDoubtful } = readAt(entity, name)
  return { value: values[0], isDoubtful }
}

function isCount (value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0
}
