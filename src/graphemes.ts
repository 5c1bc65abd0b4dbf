/** What a person sees as one character may be many UTF-16 units: no text is cut within one. */

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
/** Longer than any grapheme that people write: what is looked at has an end, though a sender makes them as long as he likes. */
const LONGEST_GRAPHEME = 64
/** UTF-16 units that a character has on average at most: an honest text stays below, whatever its script. */
const MOST_UNITS = 32

/** The beginning of a text, of so many UTF-16 units at most. */
export function withinUnits (text: string, units: number): string {
  if (text.length <= units) return text
  const around = text.slice(0, units + LONGEST_GRAPHEME)
  const begin = segmenter.segment(around).containing(units)?.index
  return text.slice(0, begin === 0 ? units : begin).toWellFormed()
}

/** The first characters of a text, as people count them. */
export function firstGraphemes (text: string, count: number): string {
  const looked = text.slice(0, count * MOST_UNITS)
  let length = 0
  let seen = 0
  for (const { segment } of segmenter.segment(looked)) {
    if (seen++ >= count) break
    length += segment.length
  }
  return looked.slice(0, length).toWellFormed()
}
