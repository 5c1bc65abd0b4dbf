/** JSON pointers that may lead to several places. */
import { parsePointer } from './json-pointer.js'

/** Stands for every element of a list in a pointer pattern. */
export const EACH = Symbol('*')

/** A JSON pointer, taken apart, with `*` for every element of a list. */
export type PointerPattern = readonly (string | typeof EACH)[]

const EVERY = '*'

/** Takes apart a JSON pointer in which `*` stands for every element of a list. Undefined: not a pointer. */
export function parsePointerPattern (text: string): PointerPattern | undefined {
  return parsePointer(text)?.map((part) => part === EVERY ? EACH : part)
}
