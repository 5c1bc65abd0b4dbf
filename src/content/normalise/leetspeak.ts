import { kindOf, OTHER } from '../characters.js'
import { UNDECIDED_CODE } from './undecided.js'
import { textWriter } from './text-writer.js'

const UNITS = 128
const SIGNS: Readonly<Record<string, string>> = {
  0: 'o', 2: 'z', 3: 'e', 4: 'a', 5: 's', 6: 'g', 7: 't', 8: 'b', 9: 'g', '@': 'a', $: 's', '+': 't', '(': 'c',
}
/** `1` and its like stand for two letters. */
const UNDECIDED_SIGNS = ['1', '!', '|']
const ANY_SIGN = /[0-9@$+(!|]/

/** What a character is to a word in leetspeak. */
const NOTHING = 0
const LETTER = 1
const DIGIT = 2
/** Stands for a letter where one follows: an exclamation mark ends a sentence. */
const INNER_SIGN = 3
/** Stands for a letter at the end of a word, too: `a$`. */
const ANY_PLACE_SIGN = 4
const ANY_PLACE = '@$+'

const letters = new Uint8Array(UNITS)
const roles = new Uint8Array(UNITS)
for (const [sign, letter] of Object.entries(SIGNS)) letters[sign.charCodeAt(0)] = letter.charCodeAt(0)
for (const sign of UNDECIDED_SIGNS) letters[sign.charCodeAt(0)] = UNDECIDED_CODE
for (let code = 0; code < UNITS; code++) roles[code] = roleOfAscii(code)

/**
 * `j41lbr34k` as `jailbreak`, in folded text. Numbers stay numbers: a word must have a letter in it, or follow one that
 * was translated (`4c7 45 1f`). Answers the text itself where nothing is to be translated.
 */
export function readLeetspeak (text: string): string {
  if (!ANY_SIGN.test(text)) return text
  const writer = textWriter(text.length)
  let isTranslated = false
  let copied = 0
  for (let index = 0; index < text.length; index++) {
    if (!isPart(text, index, index)) continue
    const start = index
    let hasLetter = false
    let hasSign = false
    for (; index < text.length && isPart(text, index, start); index++) {
      if (roleOf(text.charCodeAt(index)) === LETTER) hasLetter = true
      else hasSign = true
    }
    isTranslated = hasSign && (hasLetter || isTranslated)
    if (!isTranslated) continue
    writer.copy(text, copied, start)
    for (let at = start; at < index; at++) writer.put(translated(text.charCodeAt(at)))
    copied = index
  }
  if (copied === 0) return text
  writer.copy(text, copied, text.length)
  return writer.text()
}

function isPart (text: string, index: number, start: number): boolean {
  const role = roleOf(text.charCodeAt(index))
  if (role < INNER_SIGN) return role !== NOTHING
  if (role === ANY_PLACE_SIGN && index > start) return true
  const next = index + 1 < text.length ? roleOf(text.charCodeAt(index + 1)) : NOTHING
  return next !== NOTHING && next !== INNER_SIGN
}

function translated (code: number): number {
  return code < UNITS ? letters[code] || code : code
}

function roleOf (code: number): number {
  if (code < UNITS) return roles[code] ?? NOTHING
  return kindOf(code) > OTHER ? LETTER : NOTHING
}

function roleOfAscii (code: number): number {
  const isWord = kindOf(code) > OTHER
  if (letters[code] === 0) return isWord ? LETTER : NOTHING
  if (isWord) return DIGIT
  return ANY_PLACE.includes(String.fromCharCode(code)) ? ANY_PLACE_SIGN : INNER_SIGN
}
