import { parsePointer } from '../json-pointer.js'
import { EACH, type PointerPattern } from './contract.js'

const EVERY = '*'

/** Takes apart a JSON pointer in which `*` stands for every element of a list. Undefined: not a pointer. */
export function parsePointerPattern (text: string): PointerPattern | undefined {
  return parsePointer(text)?.map((part) => part === EVERY ? EACH : part)
}
