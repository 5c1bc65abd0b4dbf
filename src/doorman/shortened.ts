const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
/** Of a text that is too long, more of its beginning is shown than of its end. */
const SHARE_OF_BEGINNING = 0.7

/** A text as it is, or its beginning and its end, with the number of characters between them. */
export function shortened (text: string, maxLength: number): string {
  if (text.length <= maxLength) return text
  const head = Math.floor(maxLength * SHARE_OF_BEGINNING)
  const left = text.length - maxLength
  const [begin, end] = [text.slice(0, head), text.slice(text.length - (maxLength - head))]
  return `${begin.toWellFormed()}\n[… ${left} characters are not shown …]\n${end.toWellFormed()}`
}

/** The first characters of a text, as people count them: none is cut in two. */
export function firstGraphemes (text: string, count: number): string {
  // A grapheme may be as long as its sender likes; what is looked at has an end.
  const looked = text.slice(0, count * MOST_UNITS)
  let length = 0
  let seen = 0
  for (const { segment } of segmenter.segment(looked)) {
    if (seen++ >= count) break
    length += segment.length
  }
  return looked.slice(0, length).toWellFormed()
}

/** UTF-16 units that a character has on average at most: an honest text stays below, whatever its script. */
const MOST_UNITS = 32
