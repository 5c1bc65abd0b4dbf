/** Visits values of JSON as lenient backends find them. */
import { EACH, type PointerPattern } from './json-pattern.js'

/** Where a value stands, from the document down. Changes as the walk goes on: to be copied by whoever keeps it. */
export type Path = (string | number)[]
type Visit = (value: unknown, path: Path) => void

const CAPITAL_A = 0x41
const CAPITAL_Z = 0x5a
const TO_SMALL = 0x20
/** The two letters beyond ASCII that fold to one within it. */
const LONG_S = 0x17f
const SMALL_S = 0x73
const KELVIN = 0x212a
const SMALL_K = 0x6b
const LIST_INDEX = /^(?:0|[1-9]\d*)$/

/** Two names that some backend takes for one: parsers written in Go do not tell capital letters from small ones. */
export function isSameName (left: string, right: string): boolean {
  if (left === right) return true
  if (left.length !== right.length) return false
  for (let i = 0; i < left.length; i++) {
    if (foldChar(left.charCodeAt(i)) !== foldChar(right.charCodeAt(i))) return false
  }
  return true
}

function foldChar (char: number): number {
  if (char >= CAPITAL_A && char <= CAPITAL_Z) return char + TO_SMALL
  if (char === LONG_S) return SMALL_S
  return char === KELVIN ? SMALL_K : char
}

/**
 * Visits every value to which a pattern leads, in any case of its names. What is no list counts as a list of one
 * under `*`, as for backends that take both, and a map also as a list of its values. Sees own members only.
 */
export function visitValues (document: unknown, pattern: PointerPattern, visit: Visit, path: Path = []): void {
  visitFrom(document, { pattern, visit, path, isName: isSameName }, 0)
}

/** As `visitValues`, where `isName` says which names are meant by that of the pattern. */
export function visitNamed (
  document: unknown, pattern: PointerPattern, { visit, isName }: Pick<Walk, 'visit' | 'isName'>
): void {
  visitFrom(document, { pattern, visit, path: [], isName }, 0)
}

interface Walk {
  readonly pattern: PointerPattern
  readonly visit: Visit
  readonly path: Path
  isName (name: string, sought: string): boolean
}

function visitFrom (document: unknown, walk: Walk, from: number): void {
  const part = walk.pattern[from]
  if (part === undefined) return walk.visit(document, walk.path)
  if (part === EACH) return visitEach(document, walk, from + 1)
  if (typeof document !== 'object' || document === null) return
  if (Array.isArray(document)) {
    if (LIST_INDEX.test(part)) visitMember(document, Number(part), walk, from + 1)
    return
  }
  for (const name of Object.keys(document)) {
    if (walk.isName(name, part)) visitMember(document, name, walk, from + 1)
  }
}

/** Of a map itself only where something within it is sought: as an element it would come twice. */
function visitEach (document: unknown, walk: Walk, from: number): void {
  if (typeof document !== 'object' || document === null) return visitFrom(document, walk, from)
  if (Array.isArray(document)) {
    for (let i = 0; i < document.length; i++) visitMember(document, i, walk, from)
    return
  }
  if (from < walk.pattern.length) visitFrom(document, walk, from)
  for (const name of Object.keys(document)) visitMember(document, name, walk, from)
}

function visitMember (document: object, name: string | number, walk: Walk, from: number): void {
  walk.path.push(name)
  visitFrom(Reflect.get(document, name), walk, from)
  walk.path.pop()
}
