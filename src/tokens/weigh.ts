/** How long JSON is, apart from images, sounds and files within it. */

/** A shorter text costs no more by its length than an image does. */
const SHORTEST_BINARY = 4096
/** About what an image takes. */
const BINARY_TOKENS = 1000
/** A larger file takes more, and a text that only looks like one must not be nearly free. */
const BINARY_BYTES_PER_TOKEN = 256
/** So many places of a long text are looked at. */
const SAMPLES = 16
const SAMPLE_LENGTH = 128
const DATA_URL = /^data:[^,]{0,200};base64,/i
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
const MIXED = [/[a-z]/, /[A-Z]/, /\d/]
/** So many values are looked at one by one; what has more is measured as it is written. */
const MOST_VALUES = 20_000
/** Two quotes and a colon or comma. */
const MARKS = 3

export interface Weight {
  readonly bytes: number
  readonly binaryTokens: number
}

/** Of anything from JSON. */
export function weigh (json: unknown): Weight {
  let bytes = 0
  let binaryTokens = 0
  let left = MOST_VALUES
  const open: unknown[] = [json]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value === 'string') {
      if (isBinary(value)) binaryTokens += Math.max(BINARY_TOKENS, Math.ceil(value.length / BINARY_BYTES_PER_TOKEN))
      else bytes += Buffer.byteLength(value) + MARKS
    } else if (typeof value === 'object' && value !== null) {
      const names = Array.isArray(value) ? undefined : Object.keys(value)
      const values: unknown[] = Array.isArray(value) ? value : Object.values(value)
      left -= values.length
      if (left < 0) {
        bytes += Buffer.byteLength(JSON.stringify(value))
        continue
      }
      for (const name of names ?? []) bytes += Buffer.byteLength(name) + MARKS
      for (const one of values) open.push(one)
    } else {
      bytes += String(value).length + 1
    }
  }
  return { bytes, binaryTokens }
}

/** Base64 all through, as far as it is looked at, and no word repeated: every piece has letters of both cases and digits. */
function isBinary (text: string): boolean {
  if (text.length < SHORTEST_BINARY) return false
  const from = DATA_URL.exec(text)?.[0].length ?? 0
  const stride = (text.length - from - SAMPLE_LENGTH) / (SAMPLES - 1)
  for (let i = 0; i < SAMPLES; i++) {
    const at = Math.floor(from + i * stride)
    const sample = text.slice(at, at + SAMPLE_LENGTH)
    if (!BASE64.test(sample) || !MIXED.every((kind) => kind.test(sample))) return false
  }
  return true
}
