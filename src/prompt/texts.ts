import { isSameName, type Path } from '../json-members.js'
import { TEXT_MEMBERS } from './part-types.js'
import { MOST_DEPTH } from './strict-json.js'

/** Told of a text that is not empty, and of where it stands. */
export type VisitText = (text: string, path: Path) => void

interface Walk {
  readonly path: Path
  readonly visit: VisitText
}

/** Visits the texts of a value: itself, or those of its parts. Images, sounds and files are no text. */
export function visitTexts (value: unknown, path: Path, visit: VisitText): void {
  visitPart(value, { path, visit }, 0)
}

function visitPart (value: unknown, walk: Walk, depth: number): void {
  if (typeof value === 'string') {
    if (value !== '') walk.visit(value, walk.path)
    return
  }
  if (typeof value !== 'object' || value === null || depth > MOST_DEPTH) return
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) visitMember(value, i, walk, depth)
    return
  }
  const isPlain = isPlainData(value)
  for (const name of Object.keys(value)) {
    if (isTextMember(name) || (isPlain && isSameName(name, 'data'))) visitMember(value, name, walk, depth)
    // Where it is a text, Anthropic's documents carry it so; base64 of images and PDFs is none.
    if (isSameName(name, 'source') && isPlainData(Reflect.get(value, name))) visitMember(value, name, walk, depth)
  }
}

function visitMember (value: object, name: string | number, walk: Walk, depth: number): void {
  walk.path.push(name)
  visitPart(Reflect.get(value, name), walk, depth + 1)
  walk.path.pop()
}

/** `{ type: 'text', data: … }` */
function isPlainData (value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.keys(value).some((name) => isSameName(name, 'type') && Reflect.get(value, name) === 'text')
}

function isTextMember (name: string): boolean {
  return TEXT_MEMBERS.some((member) => isSameName(name, member))
}
