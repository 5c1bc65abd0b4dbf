/** Data that no reader can take for instructions: within delimiters that it cannot contain, whatever it says. */

/**
 * What JSON leaves as it is and a delimiter or a line is made of, and what a reader could not see: angle brackets,
 * control and format characters, line separators, private use, and lone halves. Each becomes `\uXXXX`.
 */
const ESCAPED = /[<>\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]|[\ufe00-\ufe0f]|[\u{e0000}-\u{e0fff}]/gu

export interface Fence {
  readonly begin: string
  readonly end: string
}

/** @param nonce unguessable, made anew for each question: letters and digits */
export function createFence (nonce: string): Fence {
  return { begin: `<<<DATA ${nonce}>>>`, end: `<<<END ${nonce}>>>` }
}

/** A value between the delimiters, on one line of JSON in which no angle bracket stands. */
export function enclose (value: unknown, { begin, end }: Fence): string {
  return `${begin}\n${encodeData(value)}\n${end}`
}

/** JSON that means the same, on one line, without any character that a delimiter begins or ends with. */
export function encodeData (value: unknown): string {
  return JSON.stringify(value).replace(ESCAPED, escapeUnits)
}

function escapeUnits (text: string): string {
  let escaped = ''
  for (let i = 0; i < text.length; i++) escaped += `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`
  return escaped
}
