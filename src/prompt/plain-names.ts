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

/** Whether something of a text may be misread: then a name of what was read is odd. */
export function mayMisread (text: string): boolean {
  return text.includes(BACKSLASH)
}

/** Names that are misread all have a backslash. */
export function isOddName (name: string): boolean {
  return name.includes(BACKSLASH)
}

/** The value of a text that was read with odd names. */
export function readNamesAgain (text: string): unknown {
  return parseJson(withPlainNames(text))
}

/** The same text with names that need no escapes written without. */
function withPlainNames (text: string): string {
  let plain = ''
  let copied = 0
  for (let i = text.indexOf('"'); i !== -1 && i < text.length; i = text.indexOf('"', i)) {
    const end = endOfText(text, i) + 1
    if (text.charCodeAt(skipBlank(text, end)) === COLON) {
      const name = text.slice(i, end)
      if (isOddName(name)) {
        plain += text.slice(copied, i) + JSON.stringify(parseJson(name))
        copied = end
      }
    }
    i = end
  }
  return plain + text.slice(copied)
}
