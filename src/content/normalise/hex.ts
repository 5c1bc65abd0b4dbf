import { textIn } from './decoded-text.js'

/** At least three bytes, together or one by one: `44414e`, `44 41 4E`, `0x44, 0x41, 0x4e`. */
const TOGETHER = /\b(?:0x)?([0-9a-f]{6,})\b/gi
const APART = /\b(?:0x)?[0-9a-f]{2}(?:[\s:,-]{1,2}(?:0x)?[0-9a-f]{2}){2,}\b/gi
const SIGNS = /0x|[\s:,-]/gi

/** A text with its segments in hexadecimal digits decoded where they stand; the text itself where there is none. */
export function decodeHex (text: string): string {
  return text
    .replace(TOGETHER, (segment, digits: string) => decodePairs(digits) ?? segment)
    .replace(APART, (segment) => decodePairs(segment.replace(SIGNS, '')) ?? segment)
}

function decodePairs (digits: string): string | undefined {
  return digits.length % 2 === 0 ? textIn(Buffer.from(digits, 'hex')) : undefined
}
