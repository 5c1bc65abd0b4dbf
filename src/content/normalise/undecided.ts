/** A letter that may be `i` or `l`, as `1`, `|` and the Cyrillic palochka may. No text holds it once it is folded. */
export const UNDECIDED = '\u0003'
export const UNDECIDED_CODE = 3

/** A text with its undecided letters spelled out, first all as `i`, then all as `l`; one text where there are none. */
export function spellOut (text: string): string[] {
  if (!text.includes(UNDECIDED)) return [text]
  return [text.replaceAll(UNDECIDED, 'i'), text.replaceAll(UNDECIDED, 'l')]
}
