import { normalizeText } from '../../normalize-text.js'

const PLAIN = /^[\t\n\r -~]*$/
/** Whole phrases of Arabic in one character, up to eighteen: a long text of them would become far longer. */
const PHRASES = /[\uFDFA\uFDFB]/g

/** Unicode NFKC: `ＤＡＮ`, `𝐃𝐀𝐍` and `ⒹⒶⓃ` are `DAN`. At most six times as long. */
export function foldCompatibility (text: string): string {
  return PLAIN.test(text) ? text : normalizeText(text.replace(PHRASES, ' '), 'NFKC')
}
