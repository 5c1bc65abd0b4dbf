/** Of texts that stand together more are looked for in pieces. */
export const MOST_PARTS = 32

/** A text, without the white space around it. */
export interface Part {
  /** UTF-16 units. */
  readonly length: number
  readonly mark: string
}

/** Texts that stood together, and what took their place. */
export interface Rewriting {
  readonly parts: readonly Part[]
  readonly replacement: string
  /** Name of the category that it was for. */
  readonly category: string
  /** Of the rules by which it was replaced. */
  readonly fingerprint: string
  /** Epoch milliseconds. */
  until: number
}

/** For one body: what it has marked once it does not mark again. */
export interface Finder {
  /** False: it is no part of anything that was rewritten. Looks at its length alone. */
  mayKnow (text: string): boolean
  /** What was rewritten and stands there, from this text on; undefined stands for texts that cannot be known. */
  findAt (texts: readonly (string | undefined)[], index: number): Rewriting | undefined
}

export interface FinderOptions {
  markOf (text: string): string
  onFound (rewriting: Rewriting): void
}

/** @param known the latest first */
export function createFinder (known: readonly Rewriting[], { markOf, onFound }: FinderOptions): Finder {
  const lengths = new Set(known.flatMap(({ parts }) => parts.map(({ length }) => length)))
  const marks = new Map<string, string>()
  const byFirst = groupByFirst(known)
  const marked = (text: string): string => {
    const trimmed = text.trim()
    const mark = marks.get(trimmed) ?? markOf(trimmed)
    marks.set(trimmed, mark)
    return mark
  }
  const isAt = (texts: readonly (string | undefined)[], index: number, { parts }: Rewriting): boolean =>
    parts.every(({ length, mark }, i) => {
      const text = texts[index + i]
      return text !== undefined && text.trim().length === length && marked(text) === mark
    })
  return {
    mayKnow: (text) => lengths.has(text.trim().length),
    findAt (texts, index) {
      const first = texts[index]
      const alike = first === undefined ? undefined : byFirst.get(marked(first))
      const found = alike?.find((one) => isAt(texts, index, one))
      if (found !== undefined) onFound(found)
      return found
    },
  }
}

/** Those of more parts first: a text that stands alone elsewhere is also part of them. */
function groupByFirst (known: readonly Rewriting[]): ReadonlyMap<string, readonly Rewriting[]> {
  const groups = new Map<string, Rewriting[]>()
  for (const one of [...known].sort((a, b) => b.parts.length - a.parts.length)) {
    const first = one.parts[0]?.mark ?? ''
    const group = groups.get(first)
    if (group === undefined) groups.set(first, [one])
    else group.push(one)
  }
  return groups
}
