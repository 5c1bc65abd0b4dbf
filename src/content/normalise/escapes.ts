/** So many escapes are read together, so that no match grows without bound. */
const PERCENT = /(?:%[0-9a-f]{2}){1,1024}/gi
const ENTITY = /&#(?:x([0-9a-f]{1,6})|([0-9]{1,7}));?/gi
const BACKSLASH = /\\(?:x([0-9a-f]{2})|u\{([0-9a-f]{1,6})\}|u([0-9a-f]{4}))/gi
const NAMED = /&(amp|lt|gt|quot|apos|nbsp|shy|ZeroWidthSpace|zwnj|zwj);/g
const NAMES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'', nbsp: ' ' }
const LAST_CHARACTER = 0x10FFFF
const HEX = 16
const DECIMAL = 10

/** Percent-encoding, HTML's character references, and the escapes of JavaScript, where they stand. */
export function unescape (text: string): string {
  let plain = text
  if (plain.includes('%')) plain = plain.replace(PERCENT, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString())
  if (plain.includes('&')) plain = plain.replace(ENTITY, reference).replace(NAMED, (_, name) => NAMES[name] ?? '')
  if (plain.includes('\\')) plain = plain.replace(BACKSLASH, (_, two, braced, four) => character(two ?? braced ?? four, HEX))
  return plain
}

function reference (_: string, hex: string | undefined, decimal: string | undefined): string {
  return hex === undefined ? character(decimal ?? '', DECIMAL) : character(hex, HEX)
}

function character (digits: string, base: number): string {
  const code = Number.parseInt(digits, base)
  return code <= LAST_CHARACTER ? String.fromCodePoint(code) : ''
}
