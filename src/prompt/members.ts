import { EACH, type PointerPattern } from './contract.js'

type Visit = (value: unknown) => void

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
export function visitValues (document: unknown, pattern: PointerPattern, visit: Visit, from = 0): void {
  const part = pattern[from]
  if (part === undefined) return visit(document)
  if (part === EACH) {
    const elements = elementsOf(document, from + 1 === pattern.length)
    for (const element of elements) visitValues(element, pattern, visit, from + 1)
    return
  }
  if (typeof document !== 'object' || document === null) return
  if (Array.isArray(document)) {
    if (LIST_INDEX.test(part)) visitValues(document[Number(part)], pattern, visit, from + 1)
    return
  }
  for (const name of Object.keys(document)) {
    if (isSameName(name, part)) visitValues(Reflect.get(document, name), pattern, visit, from + 1)
  }
}

/** @param areWanted the elements themselves, not what is in them: then the map itself would come twice. */
function elementsOf (document: unknown, areWanted: boolean): readonly unknown[] {
  if (Array.isArray(document)) return document
  if (typeof document !== 'object' || document === null) return [document]
  return areWanted ? Object.values(document) : [document, ...Object.values(document)]
}
