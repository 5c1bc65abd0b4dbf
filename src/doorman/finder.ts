/** Of texts that stand together more are looked for in pieces. */
export const MOST_PARTS = 32
/** Of those that begin with the same text, the latest. */
const MOST_ALIKE = 8

/** A text, without the white space around it. */
export interface Part {
  /** UTF-16 units. */
  readonly length: number
  /** Quickly made, and the same for some others too. */
  readonly likeness: number
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

/** Texts as the finder numbers them: 0 for all that it does not know. */
export type Numbers = readonly number[]

/** For one body: no text is marked twice. */
export interface Finder {
  /** False: it is no part of anything that was rewritten. Quick. */
  mayKnow (text: string): boolean
  numberOf (text: string): number
  /** What was rewritten and stands there, from this text on. */
  findAt (texts: Numbers, index: number): Rewriting | undefined
}

export interface FinderOptions {
  likenessOf (text: string): number
  markOf (text: string): string
  onFound (rewriting: Rewriting): void
}

/** @param known the latest first */
export function createFinder (known: readonly Rewriting[], { likenessOf, markOf, onFound }: FinderOptions): Finder {
  const parts = known.flatMap((one) => one.parts)
  const lengths = new Set(parts.map(({ length }) => length))
  const likenesses = new Set(parts.map(({ likeness }) => likeness))
  const byMark = new Map([...new Set(parts.map(({ mark }) => mark))].map((mark, i) => [mark, i + 1]))
  const byText = new Map<string, number>()
  const byFirst = groupByFirst(known.map((rewriting) => ({
    rewriting, numbers: rewriting.parts.map(({ mark }) => byMark.get(mark) ?? 0),
  })))
  return {
    mayKnow (text) {
      const trimmed = text.trim()
      return lengths.has(trimmed.length) && likenesses.has(likenessOf(trimmed))
    },
    numberOf (text) {
      const trimmed = text.trim()
      const number = byText.get(trimmed) ?? byMark.get(markOf(trimmed)) ?? 0
      byText.set(trimmed, number)
      return number
    },
    findAt (texts, index) {
      const alike = byFirst.get(texts[index] ?? 0)
      const found = alike?.find(({ numbers }) => numbers.every((number, i) => texts[index + i] === number))?.rewriting
      if (found !== undefined) onFound(found)
      return found
    },
  }
}

interface Numbered {
  readonly rewriting: Rewriting
  readonly numbers: Numbers
}

/** Those of more parts first: a text that stands alone elsewhere may begin them too. */
function groupByFirst (known: readonly Numbered[]): ReadonlyMap<number, readonly Numbered[]> {
  const groups = new Map<number, Numbered[]>()
  for (const one of known) {
    const first = one.numbers[0] ?? 0
    const group = groups.get(first) ?? []
    if (group.length < MOST_ALIKE) group.push(one)
    groups.set(first, group)
  }
  for (const group of groups.values()) group.sort((a, b) => b.numbers.length - a.numbers.length)
  return groups
}
