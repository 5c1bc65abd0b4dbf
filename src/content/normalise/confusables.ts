import { createRequire } from 'node:module'
import { remove as plainLetterOf } from 'confusables'
import { foldCharacter } from './folding.js'
import { UNDECIDED } from './undecided.js'

/** Unicode TR39, `confusables.txt`: what each character looks like. */
const LOOKS: Readonly<Record<string, string>> = createRequire(import.meta.url)('unhomoglyph/data.json')
/**
 * Scripts whose letters pass for Latin ones. Those of others (an Arabic alef looks like an `l`) do so only in the midst
 * of Latin letters, and to fold them would make nonsense of ordinary Arabic.
 */
const SCRIPTS = /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}\p{Script=Canadian_Aboriginal}\p{Script=Deseret}\p{Script=Osage}\p{Script=Warang_Citi}\p{Script=Tifinagh}\p{Script=Common}]$/u
/** Small capitals and letters in boxes, which TR39 leaves out. */
const FANCY = /^[\p{Script=Latin}\u{1F100}-\u{1F1FF}]$/u
/** Two small capitals that nobody lists. */
const UNLISTED: Readonly<Record<string, string>> = { ꜰ: 'f', ꞯ: 'q' }
const LETTER = /^[a-z]$/
/** `æ`; a Cyrillic `Ы` looks like two letters to a machine only. */
const LIGATURE = /^[\p{Script=Latin}]$/u
const TWO_LETTERS = /^[a-z]{2}$/
/** `jaiIbreak`, `Iimits`, `lgnore`: a capital i for an l, and an l for a capital i. */
const TWINS = /(?<=\p{Ll})I|(?<![\p{L}\p{N}])I(?=[aeiou])|(?<![\p{L}\p{N}])l(?=[bcdfghjkmnpqrstvwxz])/gu
/** The palochka, which is undecided by itself. */
const TWIN = '\u04C0'

/** The Latin letters, in lower case, that a character looks like; undefined: none. */
export function lookAlike (character: string): string | undefined {
  if (character <= '\u007F' || !SCRIPTS.test(character)) return undefined
  const looks = LOOKS[character]
  if (looks === 'l') return UNDECIDED
  // TR39 splits an m.
  const letters = looks === 'rn' ? 'm' : foldCharacter(looks ?? '')
  if (LETTER.test(letters) || (TWO_LETTERS.test(letters) && LIGATURE.test(character))) return letters
  if (!FANCY.test(character)) return undefined
  const plain = UNLISTED[character] ?? plainLetterOf(character).toLowerCase()
  return LETTER.test(plain) ? plain : undefined
}

/** A text, its case intact, whose `I` and `l` are undecided where only the other makes sense. */
export function undecideTwins (text: string): string {
  return text.replace(TWINS, TWIN)
}
