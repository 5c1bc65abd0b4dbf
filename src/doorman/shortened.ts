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
