import { lookAlike } from './confusables.js'
import { foldCharacter } from './folding.js'
import { isInvisible } from './invisible.js'
import { textWriter, type TextWriter } from './text-writer.js'

export interface CharacterSteps {
  readonly invisible: boolean
  readonly confusables: boolean
}

/** What becomes of each character. It is worked out once for each: the rules are slow, and prompts may be long. */
export interface CharacterTable {
  fold: (text: string) => string
}

const PLAIN = /^[\t\n\r -~]*$/
const CONTROL = /^(?!\s)\p{Cc}$/u
/** Two planes of Unicode; beyond them there is nothing that becomes another, but the tags. */
const CHARACTERS = 0x20000
const FIRST_TAG = 0xE0000
const LAST_TAG = 0xE0FFF
const PAIRED = 0xFFFF
/** Entries that are no characters; no folded text holds such controls. */
const NOTHING = 1
const SEVERAL = 2
const ITSELF = 4

const tables = new Map<string, CharacterTable>()

/** The table of these steps; there are four, made when first asked for. */
export function characterTable (steps: CharacterSteps): CharacterTable {
  const key = `${steps.invisible} ${steps.confusables}`
  const table = tables.get(key) ?? createCharacterTable(steps)
  tables.set(key, table)
  return table
}

function createCharacterTable (steps: CharacterSteps): CharacterTable {
  const write = createCharacterWriter(steps)
  return {
    fold: (text) => {
      if (PLAIN.test(text)) return text.toLowerCase()
      const writer = textWriter(text.length)
      for (let index = 0; index < text.length; index++) {
        const code = text.codePointAt(index) ?? 0
        if (code > PAIRED) index++
        write(writer, code)
      }
      return writer.text()
    },
  }
}

/** Writes what becomes of a character. */
function createCharacterWriter (steps: CharacterSteps): (writer: TextWriter, code: number) => void {
  const entries = new Uint16Array(CHARACTERS)
  const several = new Map<number, string>()
  const learn = (code: number): number => {
    const folded = foldOne(String.fromCodePoint(code), steps)
    const entry = entryFor(code, folded)
    if (entry === SEVERAL) several.set(code, folded)
    entries[code] = entry
    return entry
  }
  return (writer, code) => {
    const entry = code < CHARACTERS ? entries[code] || learn(code) : beyond(code, steps)
    if (entry === NOTHING) return
    if (entry === SEVERAL) writeAll(writer, several.get(code) ?? '')
    else if (entry === ITSELF) writeAll(writer, String.fromCodePoint(code))
    else writer.put(entry)
  }
}

function entryFor (code: number, folded: string): number {
  if (folded === '') return NOTHING
  if (folded.length === 1) return folded.charCodeAt(0)
  return folded.codePointAt(0) === code ? ITSELF : SEVERAL
}

function foldOne (character: string, { invisible, confusables }: CharacterSteps): string {
  if (invisible && isInvisible(character)) return ''
  if (CONTROL.test(character)) return ' '
  return (confusables ? lookAlike(character) : undefined) ?? foldCharacter(character)
}

function beyond (code: number, { invisible }: CharacterSteps): number {
  return invisible && code >= FIRST_TAG && code <= LAST_TAG ? NOTHING : ITSELF
}

function writeAll (writer: TextWriter, text: string): void {
  writer.copy(text, 0, text.length)
}
