/** Data that no reader can take for instructions: within delimiters that it cannot contain, whatever it says. */

/**
 * What JSON leaves as it is and a delimiter or a line is made of, and what a reader could not see: angle brackets,
 * control and format characters, line separators, fillers, private use. Each becomes `\uXXXX`.
 */
const ESCAPED = /[<>\u2800\ufff9-\uffff\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}\p{Co}\p{Zl}\p{Zp}]/gu

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
