/**
 * A way around a fault of V8's parser (Node 24.21, V8 13.6): where a map has a member whose name is written with escapes,
 * and an earlier document had a map with the same members before it and next one whose name begins like those escapes
 * (`\\u00`), it takes the one name for the other: `"\u0074ext"` is read as `\u00`. Whoever sends both would be read
 * differently by us than by a backend.
 */
import { endOfText, skipBlank } from '../json-text.js'
import { parseJson } from '../parse-json.js'

const COLON = 0x3a
const BACKSLASH = '\\'

/** Whether this reading of a text may be wrong: names that are misread all have a backslash. */
export function mayMisread (text: string, value: unknown): boolean {
  return text.includes(BACKSLASH) && hasOddName(value)
}

/** The value of such a text. */
export function readNamesAgain (text: string): unknown {
  return parseJson(withPlainNames(text))
}

function hasOddName (value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(hasOddName)
  return Object.keys(value).some((name) => name.includes(BACKSLASH) || hasOddName(Reflect.get(value, name)))
}

/** The same text with names that need no escapes written without. */
function withPlainNames (text: string): string {
  let plain = ''
  let copied = 0
  for (let i = text.indexOf('"'); i !== -1 && i < text.length; i = text.indexOf('"', i)) {
    const end = endOfText(text, i) + 1
    if (text.charCodeAt(skipBlank(text, end)) === COLON) {
      const name = text.slice(i, end)
      if (name.includes(BACKSLASH)) {
        plain += text.slice(copied, i) + JSON.stringify(parseJson(name))
        copied = end
      }
    }
    i = end
  }
  return plain + text.slice(copied)
}
