import { isSameName } from './members.js'
import { MOST_DEPTH } from './strict-json.js'

/** Members in which the parts of a message hold text: OpenAI's, Anthropic's (tool results), Gemini's, LibreChat's. */
const TEXT_MEMBERS = ['text', 'content', 'input_text', 'output_text', 'parts', 'value']

/** Adds the texts of a value to a list: itself, or those of its parts. Images, sounds and files are no text. */
export function addTexts (texts: string[], value: unknown, depth = 0): void {
  if (typeof value === 'string') {
    if (value !== '') texts.push(value)
    return
  }
  if (typeof value !== 'object' || value === null || depth > MOST_DEPTH) return
  if (Array.isArray(value)) {
    for (const part of value) addTexts(texts, part, depth + 1)
    return
  }
  const isPlain = isPlainData(value)
  for (const name of Object.keys(value)) {
    if (isTextMember(name) || (isPlain && isSameName(name, 'data'))) addTexts(texts, Reflect.get(value, name), depth + 1)
    // Where it is a text, Anthropic's documents carry it so; base64 of images and PDFs is none.
    if (isSameName(name, 'source') && isPlainData(Reflect.get(value, name))) addTexts(texts, Reflect.get(value, name), depth + 1)
  }
}

/** `{ type: 'text', data: … }` */
function isPlainData (value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.keys(value).some((name) => isSameName(name, 'type') && Reflect.get(value, name) === 'text')
}

function isTextMember (name: string): boolean {
  return TEXT_MEMBERS.some((member) => isSameName(name, member))
}
