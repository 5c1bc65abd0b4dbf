import type { RouteEntry } from './contract.js'
import { fold } from './path-transforms.js'
import { partsOf, pathsOf, type PatternPart } from './route-pattern.js'

/** One path pattern of an entry, ready to be held against readings. */
export interface Candidate {
  readonly entry: RouteEntry
  readonly parts: readonly PatternPart[]
  /** The path as find-my-way takes it, letter case and parameter names taken off: equal for equal patterns. */
  readonly key: string
  /** The result's entries when this candidate alone applies: always the same array. */
  readonly alone: readonly RouteEntry[]
  readonly exclusions: readonly { readonly index: number, readonly values: ReadonlySet<string> }[]
}

/** The reading does not fit the pattern. */
export const noMatch = -1

const weights = { static: 3, wildcard: 1, parameter: 2 } as const

/** What an entry's pattern stands for: two candidates when its last parameter is optional. */
export function candidatesOf (entry: RouteEntry): Candidate[] {
  const alone = Object.freeze([entry])
  return pathsOf(entry.path).map((path) => {
    const parts = partsOf(path)
    const exclusions = parts.flatMap(({ name }, index) => {
      const values = name === '' ? undefined : entry.unless.get(name)
      return values === undefined ? [] : { index, values }
    })
    return { entry, parts, key: keyOf(parts), alone, exclusions }
  })
}

/** Most specific first (static > parameter > wildcard, segment by segment), equal patterns by the entry's index. */
export function compareSpecificity (a: Candidate, b: Candidate): number {
  for (let i = 0; i < Math.min(a.parts.length, b.parts.length); i++) {
    const difference = weightOf(b.parts[i]) - weightOf(a.parts[i])
    if (difference !== 0) return difference
  }
  return b.parts.length - a.parts.length || a.entry.index - b.entry.index
}

/** False: no path can match both. Letter case does not count. */
export function mayOverlap (a: Candidate, b: Candidate): boolean {
  const shared = Math.min(a.parts.length, b.parts.length)
  for (let i = 0; i < shared; i++) {
    const [left, right] = [a.parts[i], b.parts[i]]
    if (left === undefined || right === undefined) return false
    if (left.kind === 'wildcard') return beginsLike(right, left)
    if (right.kind === 'wildcard') return beginsLike(left, right)
    if (left.kind === 'static' && right.kind === 'static' && left.folded !== right.folded) return false
  }
  return a.parts.length === b.parts.length
}

/**
 * Holds a reading's segments against a pattern. A bit is set for each segment that fits only when letter case is
 * ignored: 0 = fits exactly; `noMatch` = fits not at all.
 */
export function mismatchOf (parts: readonly PatternPart[], segments: readonly string[]): number {
  let mask = 0
  for (let i = 0; i < parts.length; i++) {
    const [part, segment] = [parts[i], segments[i]]
    if (part === undefined || segment === undefined) return noMatch
    if (part.kind === 'parameter') continue
    const bounded = part.kind === 'wildcard' ? segment.slice(0, part.text.length) : segment
    if (bounded !== part.text) {
      // Folding may change lengths (İ), so a wildcard's beginning is folded with the whole segment.
      const fits = part.kind === 'wildcard' ? fold(segment).startsWith(part.folded) : fold(segment) === part.folded
      if (!fits) return noMatch
      mask |= 1 << i
    }
    if (part.kind === 'wildcard') return mask
  }
  return segments.length === parts.length ? mask : noMatch
}

/**
 * The reading has a value that `unless` names. Letter case counts: where it were to be ignored, a case-sensitive
 * backend still takes the value for any other.
 */
export function isExcluded ({ parts, exclusions }: Candidate, segments: readonly string[]): boolean {
  for (const { index, values } of exclusions) {
    if (values.has(valueAt(parts, segments, index))) return true
  }
  return false
}

/** Parameters as this reading spells them, by the entry's own names; the wildcard's is `*`. */
export function paramsOf ({ parts }: Candidate, segments: readonly string[]): Record<string, string> {
  // No prototype: `__proto__` is a parameter name like any other.
  const params: Record<string, string> = Object.create(null)
  for (let i = 0; i < parts.length; i++) {
    const name = parts[i]?.name ?? ''
    if (name !== '') params[name] = valueAt(parts, segments, i)
  }
  return params
}

function valueAt (parts: readonly PatternPart[], segments: readonly string[], index: number): string {
  const part = parts[index]
  if (part?.kind !== 'wildcard') return segments[index] ?? ''
  return segments.slice(index).join('/').slice(part.text.length)
}

function keyOf (parts: readonly PatternPart[]): string {
  const keys = parts.map(({ kind, folded }, index) => {
    if (kind === 'parameter') return `:p${index}`
    return folded.replaceAll(':', '::') + (kind === 'wildcard' ? '*' : '')
  })
  return `/${keys.join('/')}`
}

/** A wildcard with something before it stands between static text and a parameter; longer beginnings first. */
function weightOf (part: PatternPart | undefined): number {
  if (part === undefined) return 0
  if (part.kind !== 'wildcard' || part.text === '') return weights[part.kind]
  return weights.parameter + 1 - 1 / (part.text.length + 1)
}

function beginsLike (part: PatternPart, wildcard: PatternPart): boolean {
  if (part.kind === 'parameter') return true
  return part.folded.startsWith(wildcard.folded) || (part.kind === 'wildcard' && wildcard.folded.startsWith(part.folded))
}
