import createTree from 'find-my-way'
import type { MatchResult, RouteEntry } from './contract.js'
import { fold } from './path-transforms.js'
import {
  candidatesOf, compareSpecificity, isExcluded, mayOverlap, mismatchOf, noMatch, paramsOf, type Candidate,
} from './pattern-match.js'
import { isPlain, readingsOf } from './readings.js'

/** Finds the entries that any reading of a request leads to. Immutable: a reload makes a new one. */
export interface RouteTable {
  /**
   * Entries in matching order (most specific pattern first, then by index), each once. One entry alone always comes
   * as the same array, and so does none at all. Undefined: the path is malformed, to be answered 400.
   */
  match (method: string, path: string): MatchResult | undefined
  /** Whether the path, as every backend reads it and letter by letter, leads to one entry and nothing else. */
  isCertain (method: string, path: string): boolean
  /** What each reading of the path leads to, for people; undefined: malformed. */
  explain (method: string, path: string): readonly ReadingMatch[] | undefined
}

export interface ReadingMatch extends MatchResult { readonly reading: string }

/** The routes of one method. Finding is find-my-way's; deciding between the candidates of a place is ours. */
interface Tree { find (path: string): readonly Candidate[] }

interface Hits { readonly candidates: readonly Candidate[], readonly segments: readonly string[] }

/** Longer than any request line. */
const maxParamLength = 1 << 30
const unmatched: MatchResult = Object.freeze({ entries: Object.freeze([]), params: Object.freeze({}) })
const nothing: Hits = { candidates: [], segments: [] }
/** What find-my-way would read as more than a letter. */
const meaningful = /[%?#]/
const everyMeaningful = /[%?#]/g

/** Compiles route entries, as validated by `validatePattern`. */
export function createRouteTable (routes: readonly RouteEntry[]): RouteTable {
  const candidates = routes.flatMap(candidatesOf).sort(compareSpecificity)
  const ranks = new Map(candidates.map((candidate, rank) => [candidate, rank]))
  const rankOf = (candidate: Candidate) => ranks.get(candidate) ?? candidates.length
  const trees = plantTrees(candidates)
  const otherMethods = plantTree(candidates.filter(({ entry }) => entry.methods === '*'))
  const treeOf = (method: string) => trees.get(method) ?? otherMethods

  return {
    match (method, path) {
      const tree = treeOf(method)
      if (isPlain(path)) return resultOf([hitsOf(tree, path)], rankOf)
      const readings = readingsOf(path)
      return readings && resultOf(readings.map((reading) => hitsOf(tree, reading)), rankOf)
    },
    isCertain (method, path) {
      if (!isPlain(path)) return false
      const { candidates, segments } = hitsOf(treeOf(method), path)
      return candidates.length === 1 && candidates.every(({ parts }) => mismatchOf(parts, segments) === 0)
    },
    explain (method, path) {
      const tree = treeOf(method)
      return readingsOf(path)?.map((reading) => ({ reading, ...resultOf([hitsOf(tree, reading)], rankOf) }))
    },
  }
}

/** One tree per method that the policy names; HEAD is routed as GET, too. */
function plantTrees (candidates: readonly Candidate[]): Map<string, Tree> {
  const methods = new Set(['HEAD', ...candidates.flatMap(({ entry }) => entry.methods === '*' ? [] : entry.methods)])
  const takes = ({ entry }: Candidate, method: string) => entry.methods === '*' ||
    entry.methods.includes(method) || (method === 'HEAD' && entry.methods.includes('GET'))
  return new Map([...methods].map((method) => [method, plantTree(candidates.filter((one) => takes(one, method)))]))
}

function plantTree (candidates: readonly Candidate[]): Tree {
  const tree = createTree({ maxParamLength })
  const places = new Map(candidates.map((candidate) => [candidate.key, candidate]))
  for (const [key, place] of places) {
    const rivals = candidates.filter((candidate) => mayOverlap(candidate, place))
    tree.on('GET', key, ignore, rivals)
  }
  return { find: (path) => tree.find('GET', path)?.store ?? [] }
}

function ignore () {}

/**
 * Where one reading leads. Each segment's letter case may or may not count to the backend (a router that minds it can
 * be mounted in one that does not), so an entry steps back behind a more specific one only where that one fits with no
 * more folding than the entry itself needs.
 */
function hitsOf (tree: Tree, reading: string): Hits {
  const folded = fold(reading)
  const rivals = tree.find(asLetters(folded))
  if (rivals.length === 0) return nothing
  const segments = reading.slice(1).split('/')
  // Letters that grow when folded (İ) make a find-my-way that minds no case lose its place and fall back to wildcards.
  if (folded.length !== reading.length) {
    return { candidates: rivals.filter(({ parts }) => mismatchOf(parts, segments) !== noMatch), segments }
  }
  const candidates: Candidate[] = []
  const masks: number[] = []
  for (const rival of rivals) {
    const mask = mismatchOf(rival.parts, segments)
    if (mask === noMatch || isExcluded(rival, segments) || isShadowed(mask, masks)) continue
    candidates.push(rival)
    masks.push(mask)
    if (mask === 0) break
  }
  return { candidates, segments }
}

/** A candidate before this one fits whenever this one does. */
function isShadowed (mask: number, earlier: readonly number[]): boolean {
  for (const other of earlier) if ((other & ~mask) === 0) return true
  return false
}

/** find-my-way decodes what it is given and cuts at `?` and `#`: escaped once more, it sees the reading as it is. */
function asLetters (reading: string): string {
  return meaningful.test(reading) ? reading.replace(everyMeaningful, encodeURIComponent) : reading
}

/** The union over all readings. Parameters: of the first reading that leads to the first entry. */
function resultOf (readings: readonly Hits[], rankOf: (candidate: Candidate) => number): MatchResult {
  const [only] = readings
  const [alone] = only?.candidates ?? []
  if (readings.length === 1 && only?.candidates.length === 1 && alone !== undefined) {
    return { entries: alone.alone, params: paramsOf(alone, only.segments) }
  }
  const found = new Map<Candidate, readonly string[]>()
  for (const { candidates, segments } of readings) {
    for (const candidate of candidates) if (!found.has(candidate)) found.set(candidate, segments)
  }
  const sorted = [...found.keys()].sort((a, b) => rankOf(a) - rankOf(b))
  const [first] = sorted
  if (first === undefined) return unmatched
  const entries = new Set(sorted.map(({ entry }) => entry))
  return { entries: entries.size === 1 ? first.alone : [...entries], params: paramsOf(first, found.get(first) ?? []) }
}
