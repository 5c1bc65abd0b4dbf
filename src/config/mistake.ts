import { distance } from 'fastest-levenshtein'

/** A place in a file; lines and columns count from 1. Without them the whole source is meant (`environment`). */
export interface Place { readonly file: string, readonly line?: number, readonly col?: number }

/** One thing that is wrong with the configuration. All texts are fit for printing: no secret is among them. */
export interface Mistake extends Place {
  /** Dotted path (`limiters.loginIp.max`) or the name of a variable; empty: the file as a whole. */
  readonly key: string
  readonly found: string
  readonly expected: string
  readonly suggestion?: string
}

/** `file:line:col key: found …, expected …, did you mean "x"?` */
export function formatMistake ({ file, line, col, key, found, expected, suggestion }: Mistake): string {
  const where = line === undefined ? file : `${file}:${line}:${col ?? 1}`
  const hint = suggestion === undefined ? '' : `, did you mean ${JSON.stringify(suggestion)}?`
  return `${where}${key === '' ? '' : ` ${key}`}: found ${found}, expected ${expected}${hint}`
}

/** What was noticed so far. */
export interface Findings {
  readonly mistakes: Mistake[]
  /** Dotted paths of values that were left out as wrong: that they are missing is no further mistake. */
  readonly broken: Set<string>
}

/** Everything that is wrong, at once; each file's in the order of its lines. */
export class ConfigErrors extends Error {
  override readonly name = 'ConfigErrors'
  readonly mistakes: readonly Mistake[]

  constructor (mistakes: readonly Mistake[]) {
    const ordered = inOrder(mistakes)
    super(ordered.map(formatMistake).join('\n'))
    this.mistakes = ordered
  }
}

function inOrder (mistakes: readonly Mistake[]): readonly Mistake[] {
  const files = [...new Set(mistakes.map(({ file }) => file))]
  return mistakes.toSorted((a, b) =>
    files.indexOf(a.file) - files.indexOf(b.file) || (a.line ?? 0) - (b.line ?? 0) || (a.col ?? 0) - (b.col ?? 0))
}

/** The candidate that was probably meant, at most `farthest` letters off; undefined when none is near. */
export function nearest (
  word: string, candidates: Iterable<string>, farthest = Math.max(1, Math.floor(word.length * 0.4))
): string | undefined {
  const lower = word.toLowerCase()
  let best: string | undefined
  let bestDistance = farthest + 1
  if (word.length > 100) return undefined
  for (const candidate of candidates) {
    const found = distance(lower, candidate.toLowerCase())
    if (found < bestDistance) [best, bestDistance] = [candidate, found]
  }
  return best ?? [...candidates].find((one) => one.length > 2 && lower.startsWith(one.toLowerCase()))
}

const LONGEST_SHOWN = 60

/** A value as a message shows it: quoted, on one line, shortened, without the password of a URL. */
export function show (value: unknown): string {
  if (typeof value !== 'string') return String(value)
  const safe = value.replace(/\/\/[^/@]{1,500}@/, '//***@')
  return JSON.stringify(safe.length > LONGEST_SHOWN ? `${safe.slice(0, LONGEST_SHOWN)}…` : safe)
}
