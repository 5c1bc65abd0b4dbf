/** Unicode tags: a shadow of ASCII that nobody sees and that models read. */
const TAGS = /[\u{E0020}-\u{E007E}]/gu
const SHADOW = 0xe0000

/** What tags say, among the rest of the text. */
export function readTags (text: string): string {
  return text.replace(TAGS, (tag) => String.fromCharCode((tag.codePointAt(0) ?? SHADOW) - SHADOW))
}
