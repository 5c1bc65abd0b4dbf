import { UNDECIDED_CODE } from '../normalise/undecided.js'
import type { Keyword } from './keyword.js'

const PAIRED = 0xFFFF
const UNITS = 0x10000
const SMALL_I = 0x69
const SMALL_L = 0x6C

/** Numbers the letters of the keywords from 1; 0 for what none has. `i`, `l` and what may be either are one symbol. */
export function createAlphabet (keywords: readonly Keyword[]): (letter: number) => number {
  const units = new Uint16Array(UNITS)
  const others = new Map<number, number>()
  let last = 0
  for (const letter of keywords.flatMap(({ letters }) => letters)) {
    if (letter > PAIRED) others.set(letter, others.get(letter) ?? ++last)
    else units[letter] ||= ++last
  }
  const undecided = units[SMALL_I] || units[SMALL_L] || 0
  for (const code of [SMALL_I, SMALL_L, UNDECIDED_CODE]) units[code] = undecided
  return (letter) => letter > PAIRED ? others.get(letter) ?? 0 : units[letter] ?? 0
}
