import type { FindInPrompt } from '../contract.js'
import { quickenStrings } from '../quicken-strings.js'

/**
 * More characters (code points) than `max` in all that is looked at, its messages together: whoever splits a text
 * does not make it shorter. 0 = off.
 */
export function createLengthCheck ({ max }: { max: number }): FindInPrompt {
  if (max === 0) return () => undefined
  quickenStrings()
  return ({ messages }) => {
    let length = 0
    for (const parts of messages) for (const part of parts) length += countCharacters(part)
    return length > max ? { found: String(length) } : undefined
  }
}

/** A pair of surrogates is one character, and so is half of one. */
function countCharacters (text: string): number {
  let pairs = 0
  for (let index = 1; index < text.length; index++) {
    if ((text.charCodeAt(index) & 0xFC00) !== 0xDC00 || (text.charCodeAt(index - 1) & 0xFC00) !== 0xD800) continue
    pairs++
  }
  return text.length - pairs
}
