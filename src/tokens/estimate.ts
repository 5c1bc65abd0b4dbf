import { estimateTokenCount } from 'tokenx'

/** So much of a prompt is looked at word by word: a few milliseconds at most. The rest goes by its length. */
const MOST_CHARACTERS = 4 * 1024
/** What a text takes of that at least, so that many small ones do not add up. */
const LEAST_CHARACTERS = 16
const BYTES_PER_TOKEN = 4
/** No language is written in longer tokens on average, whatever the words look like. */
const MOST_BYTES_PER_TOKEN = 6

/** Roughly how many tokens these texts are together; takes bounded time. */
export function estimateTexts (texts: Iterable<string>): number {
  let left = MOST_CHARACTERS
  let tokens = 0
  for (const text of texts) {
    const length = Buffer.byteLength(text)
    if (left === 0) {
      tokens += estimateBytes(length)
      continue
    }
    const head = text.length > left ? text.slice(0, left) : text
    left = Math.max(0, left - Math.max(head.length, LEAST_CHARACTERS))
    tokens += estimateText(head) + estimateBytes(length - Buffer.byteLength(head))
  }
  return tokens
}

/** By length alone. */
export function estimateBytes (bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN)
}

function estimateText (text: string): number {
  return Math.max(estimateTokenCount(text), Math.ceil(Buffer.byteLength(text) / MOST_BYTES_PER_TOKEN))
}
