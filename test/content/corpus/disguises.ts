import { Buffer } from 'node:buffer'
import type { PromptMessage } from '../../../src/prompt/contract.js'

const CYRILLIC: Readonly<Record<string, string>> = {
  a: 'а', c: 'с', d: 'ԁ', e: 'е', h: 'һ', i: 'і', j: 'ј', o: 'о', p: 'р', q: 'ԛ', s: 'ѕ', w: 'ԝ', x: 'х', y: 'у',
}
const GREEK: Readonly<Record<string, string>> = {
  A: 'Α', B: 'Β', E: 'Ε', H: 'Η', I: 'Ι', K: 'Κ', M: 'Μ', N: 'Ν', O: 'Ο', P: 'Ρ', T: 'Τ', X: 'Χ', Y: 'Υ', Z: 'Ζ',
}
const SMALL_CAPITALS: Readonly<Record<string, string>> = {
  a: 'ᴀ', b: 'ʙ', c: 'ᴄ', d: 'ᴅ', e: 'ᴇ', f: 'ꜰ', g: 'ɢ', h: 'ʜ', i: 'ɪ', j: 'ᴊ', k: 'ᴋ', l: 'ʟ', m: 'ᴍ', n: 'ɴ',
  o: 'ᴏ', p: 'ᴘ', r: 'ʀ', s: 'ꜱ', t: 'ᴛ', u: 'ᴜ', v: 'ᴠ', w: 'ᴡ', y: 'ʏ', z: 'ᴢ',
}
const LEET: Readonly<Record<string, string>> = { a: '4', b: '8', e: '3', i: '1', l: '1', o: '0', s: '5', t: '7' }
const LEET_SIGNS: Readonly<Record<string, string>> = { a: '@', i: '!', o: '0', s: '$', e: '3' }

const swap = (table: Readonly<Record<string, string>>) => (text: string) =>
  [...text].map((letter) => table[letter] ?? letter).join('')
const between = (sign: string) => (text: string) => text.split(' ').map((word) => [...word].join(sign)).join(' ')
const spread = (sign: string, gap: string) => (text: string) =>
  text.split(' ').map((word) => [...word].join(sign)).join(gap)
const shifted = (capital: number, small = capital) => (text: string) => text.replace(/[a-z]/gi, (letter) => {
  const isCapital = letter <= 'Z'
  return String.fromCodePoint((isCapital ? capital : small) + letter.charCodeAt(0) - (isCapital ? 65 : 97))
})
const eachLetter = (write: (code: number) => string) => (text: string) =>
  [...text].map((letter) => write(letter.charCodeAt(0))).join('')
const base64 = (text: string, coding: 'base64' | 'base64url' = 'base64') => Buffer.from(text).toString(coding)
const hex = (text: string) => Buffer.from(text).toString('hex')
const pairs = (text: string, gap: string) => hex(text).match(/../g)?.join(gap) ?? ''
const rot13 = (text: string) => text.replace(/[a-z]/gi, (letter) =>
  String.fromCharCode(letter.charCodeAt(0) + (letter.toLowerCase() < 'n' ? 13 : -13)))
const stands = (keyword: string) => `Hello there, ${keyword} please and thank you`
const said = (disguise: (keyword: string) => string) => (keyword: string): PromptMessage => [stands(disguise(keyword))]

/** Each makes a message that says the keyword, to a person or to a model. */
export const DISGUISES: Readonly<Record<string, (keyword: string) => PromptMessage>> = {
  'as it is': said((text) => text),
  capitals: said((text) => text.toUpperCase()),
  'capitals and small letters in turn': said((text) =>
    [...text].map((letter, index) => index % 2 ? letter.toUpperCase() : letter.toLowerCase()).join('')),
  'full width': said(eachLetter((code) => code === 32 ? ' ' : String.fromCharCode(code + 0xFEE0))),
  'bold letters of mathematics': said(shifted(0x1D400, 0x1D41A)),
  Fraktur: said(shifted(0x1D56C, 0x1D586)),
  'letters in circles': said(shifted(0x24B6, 0x24D0)),
  'letters in black squares': said((text) => shifted(0x1F170)(text.toUpperCase())),
  'regional indicators': said((text) => shifted(0x1F1E6)(text.toUpperCase())),
  'small capitals': said((text) => swap(SMALL_CAPITALS)(text.toLowerCase())),
  accents: said((text) => text.replace(/[aeiou]/gi, '$&\u0301').normalize('NFC')),
  'marks piled up': said(between('\u0301\u0336\u0353\u0322')),
  'zero-width spaces': said(between('\u200B')),
  'soft hyphens': said(between('\u00AD')),
  'bidi controls': said(between('\u202E\u202C')),
  'variation selectors': said(between('\uFE0F')),
  'tag characters': said(between('\u{E0041}')),
  'written in tags': said((text) => text.replace(/[ -~]/g, (c) => String.fromCodePoint(0xe0000 + c.charCodeAt(0)))),
  'word joiners and fillers': said(between('\u2060\u3164')),
  'zero-width spaces for spaces': said((text) => text.replaceAll(' ', '\u200B')),
  'Cyrillic letters': said((text) => swap(CYRILLIC)(text.toLowerCase())),
  'Greek capitals': said((text) => swap(GREEK)(text.toUpperCase())),
  'Cyrillic letters and zero-width spaces': said((text) => between('\u200B')(swap(CYRILLIC)(text.toLowerCase()))),
  'a small l for a capital i': said((text) => text.replaceAll('l', 'I')),
  'leetspeak in digits': said((text) => swap(LEET)(text.toLowerCase())),
  'leetspeak in signs': said((text) => swap(LEET_SIGNS)(text.toLowerCase())),
  'spaces between letters': said(spread(' ', '   ')),
  'hyphens between letters': said(spread('-', ' ')),
  'dots between letters': said(spread('.', ' ')),
  'stars between letters': said(spread(' * ', '   ')),
  'emoji between letters': said(spread('🙂', ' ')),
  'a letter a line': (keyword) => [[...keyword.replaceAll(' ', '')].join('\n')],
  'spaced leetspeak': said((text) => spread(' ', '   ')(swap(LEET)(text.toLowerCase()))),
  'hyphens for spaces': said((text) => text.replaceAll(' ', '-')),
  'lines for spaces': said((text) => text.replaceAll(' ', ' \n\t')),
  'dots for spaces': said((text) => text.replaceAll(' ', ' ... ')),
  'no spaces': said((text) => text.replaceAll(' ', '')),
  'in quotes': said((text) => `»${text}«`),
  'the keyword in base64': said((text) => base64(text)),
  'all in base64': (keyword) => [base64(stands(keyword))],
  'all in base64url': (keyword) => [base64(`ÿ? ${stands(keyword)}`, 'base64url')],
  'wrapped base64': (keyword) => [base64(stands(`${keyword} `).repeat(4)).replace(/.{76}/g, '$&\n')],
  'base64 of full width': (keyword) => [base64(eachLetter((code) => String.fromCharCode(code + 0xFEE0))(keyword))],
  hexadecimal: said(hex),
  'hexadecimal in pairs': said((text) => pairs(text, ' ')),
  'hexadecimal as in C': said((text) => `0x${pairs(text, ', 0x')}`),
  'percent-encoding': said((text) => `%${pairs(text, '%')}`),
  'character references': said(eachLetter((code) => `&#${code};`)),
  'hexadecimal character references': said(eachLetter((code) => `&#x${code.toString(16)};`)),
  'escapes of JavaScript': said(eachLetter((code) => `\\u${code.toString(16).padStart(4, '0')}`)),
  rot13: (keyword) => [rot13(stands(keyword))],
  'in two parts': (keyword) => {
    const text = stands(keyword)
    const middle = text.indexOf(keyword) + (keyword.length >> 1)
    return [text.slice(0, middle), text.slice(middle)]
  },
}
