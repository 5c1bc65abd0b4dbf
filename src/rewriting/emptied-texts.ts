import { ALL_WORDS, OWN_WORDS, type LocatedText } from '../prompt/prompt.js'
import type { Edit } from './contract.js'
import type { Steps } from './steps.js'

/** Ids, names and roles are shorter, in UTF-16 units; a longer text beside the words may be a picture. */
const LONGEST_NAME = 128

/** With two, one of them is beside the words in question. */
const MOST_LOADS = 2
const knownLoads = new WeakMap<object, readonly string[]>()

/** Texts of one step. */
const STEP_TEXTS = 200

type Kept = LocatedText | undefined

/** Members and elements that hold nothing any more, by the map or list that they are of. */
type Gone = Map<unknown, Set<string>>

/**
 * Edits that take texts out of a body. Backends refuse parts and messages without words: what held nothing else goes as a
 * whole. Pictures, files and the results of tools stay, the latter empty.
 * @param kept what is left in their place: nothing around it is taken out.
 */
export function * emptyTexts (json: unknown, texts: readonly LocatedText[], kept: Kept): Steps<Edit[]> {
  const gone: Gone = new Map()
  const messages = new Map<object, readonly string[]>()
  const edits: Edit[] = []
  for (const text of texts) {
    const values = valuesAlong(json, text.pointer)
    const edit = emptying(text, values, kept)
    noteGone(gone, edit, values)
    const message = values[text.messageAt]
    const isMessage = isElement(values, text.messageAt) && isMap(message)
    if (isMessage) messages.set(message, text.pointer.slice(0, text.messageAt))
    if (edits.push(edit) % STEP_TEXTS === 0) yield
  }
  for (const [message, pointer] of messages) {
    if (!isAround(pointer, kept) && isBare(message, gone)) edits.push({ pointer, value: undefined })
  }
  return edits
}

/** In words of the person's own rather than in what a tool or a document says. */
export function isOwnText (json: unknown, { pointer, messageAt }: LocatedText): boolean {
  return valuesAlong(json, pointer).every((value, i) => i <= messageAt || isOneOf(OWN_WORDS, value))
}

/** The list of messages that it is in; undefined: in none. */
export function listOf (json: unknown, { pointer, messageAt }: LocatedText): readonly unknown[] | undefined {
  const list = messageAt === 0 ? undefined : valuesAlong(json, pointer.slice(0, messageAt - 1)).at(-1)
  return Array.isArray(list) ? list : undefined
}

/** Takes out the part that the text is in, or the text alone. */
function emptying ({ pointer, messageAt }: LocatedText, values: readonly unknown[], kept: Kept): Edit {
  let at = pointer.length
  while (at > 0 && !isElement(values, at)) at--
  const part = pointer.slice(0, at)
  const isText = at === pointer.length
  const isPart = at > 0 && (isText || (at > messageAt && holdsOnlyWords(values[at], pointer[at])))
  return isPart && !isAround(part, kept) ? { pointer: part, value: undefined } : { pointer, value: '' }
}

/** Of parts that do not say what they are, such as Gemini's and quotes: nothing beside the words but what names them. */
function holdsOnlyWords (part: unknown, words: string | undefined): boolean {
  if (!isMap(part)) return false
  if (typeof Reflect.get(part, 'type') === 'string') return isOneOf(ALL_WORDS, part)
  return loadsOf(part).every((name) => name === words)
}

/** Members that are more than names; each part is looked through once, however many texts stand in it. */
function loadsOf (part: object): readonly string[] {
  let loads = knownLoads.get(part)
  if (loads === undefined) {
    loads = Object.entries(part).filter(([, value]: [string, unknown]) => !isName(value)).map(([name]) => name)
    knownLoads.set(part, loads.length > MOST_LOADS ? loads.slice(0, MOST_LOADS) : loads)
  }
  return loads
}

/** Whether nothing is left of a message but who says it. */
function isBare (message: object, gone: Gone): boolean {
  return Object.entries(message).every(([name, value]: [string, unknown]) => {
    if (gone.get(message)?.has(name) === true) return true
    return Array.isArray(value) ? value.every((_, i) => gone.get(value)?.has(String(i))) : isName(value)
  })
}

function noteGone (gone: Gone, { pointer }: Edit, values: readonly unknown[]): void {
  const holder = values[pointer.length - 1]
  const names = gone.get(holder) ?? new Set()
  gone.set(holder, names.add(pointer.at(-1) ?? ''))
}

/** The values on the way to a place, the whole document first. */
function valuesAlong (json: unknown, pointer: readonly string[]): unknown[] {
  const values = [json]
  for (const name of pointer) {
    const value = values.at(-1)
    values.push(typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined)
  }
  return values
}

function isElement (values: readonly unknown[], at: number): boolean {
  return at > 0 && Array.isArray(values[at - 1])
}

function isAround (place: readonly string[], kept: Kept): boolean {
  return kept !== undefined && place.every((name, i) => kept.pointer[i] === name)
}

function isOneOf (types: ReadonlySet<unknown>, part: unknown): boolean {
  if (!isMap(part)) return true
  const type: unknown = Reflect.get(part, 'type')
  return typeof type !== 'string' || types.has(type)
}

function isName (value: unknown): boolean {
  return typeof value === 'string' ? value.length <= LONGEST_NAME : typeof value !== 'object' || value === null
}

function isMap (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
