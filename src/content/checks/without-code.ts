/** What opens a stretch of code or of a formula; the longer marks first. */
const OPENING = /```|~~~|\$\$|\\\[|\\\(|``|`/g
/** Most are closed by what opened them. */
const CLOSING: Readonly<Record<string, string>> = { '\\[': '\\]', '\\(': '\\)' }
/** These may hold empty lines. */
const BLOCKS: ReadonlySet<string> = new Set(['```', '~~~', '$$', '\\['])
const EMPTY_LINE = '\n\n'

/**
 * A text without its code, fenced or inline, and without formulas in TeX. Code within a line ends in its paragraph;
 * what is opened and never closed stays. Linear: nothing is looked for again that was not found, or is still ahead.
 */
export function withoutCode (text: string): string {
  const findNext = createFinder(text)
  let kept = ''
  let copied = 0
  OPENING.lastIndex = 0
  for (let match = OPENING.exec(text); match !== null; match = OPENING.exec(text)) {
    const mark = match[0]
    const from = OPENING.lastIndex
    const close = CLOSING[mark] ?? mark
    const end = findNext(close, from)
    if (end === Infinity || (!BLOCKS.has(mark) && findNext(EMPTY_LINE, from) < end)) continue
    kept += text.slice(copied, match.index) + ' '
    copied = OPENING.lastIndex = end + close.length
  }
  return copied === 0 ? text : kept + text.slice(copied)
}

/** Finds what stands next at or behind a place, Infinity for nothing; asked for places in ascending order. */
function createFinder (text: string): (wanted: string, from: number) => number {
  const known = new Map<string, number>()
  return (wanted, from) => {
    const last = known.get(wanted)
    if (last !== undefined && last >= from) return last
    const found = text.indexOf(wanted, from)
    const next = found === -1 ? Infinity : found
    known.set(wanted, next)
    return next
  }
}
