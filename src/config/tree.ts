import type { Place } from './mistake.js'
import type { Variable } from './variables.js'

/** A policy file between YAML and its typed form: every node knows where it stands. */
export type Tree = MapTree | ListTree | ScalarTree

export interface MapTree {
  readonly kind: 'map'
  readonly place: Place
  readonly entries: ReadonlyMap<string, Entry>
  /** Keys that count as not written, with the unset variable that their value hung on. */
  readonly unset: ReadonlyMap<string, string>
}

export interface Entry { readonly keyPlace: Place, readonly tree: Tree }
export interface ListTree { readonly kind: 'list', readonly place: Place, readonly items: readonly Tree[] }

export interface ScalarTree {
  readonly kind: 'scalar'
  readonly place: Place
  readonly value: string | number | boolean
  readonly text: string
  /** The variable that its text came from, if any. */
  readonly variable: Variable | undefined
}

export type Path = readonly (string | number)[]

/** Upper over lower: maps merge key by key; everything else replaces. */
export function mergeTrees (lower: Tree, upper: Tree): Tree {
  if (lower.kind !== 'map' || upper.kind !== 'map') return upper
  const entries = new Map(lower.entries)
  for (const [key, entry] of upper.entries) {
    const below = entries.get(key)
    entries.set(key, below === undefined ? entry : { ...entry, tree: mergeTrees(below.tree, entry.tree) })
  }
  return { kind: 'map', place: upper.place, entries, unset: new Map([...lower.unset, ...upper.unset]) }
}

/** A policy file over the preset it extends: as above, and its `routes` go before the preset's. */
export function extendPolicy (preset: Tree, policy: Tree): Tree {
  const merged = mergeTrees(preset, policy)
  const [below, above] = [child(preset, 'routes'), child(policy, 'routes')]
  if (merged.kind !== 'map' || below?.kind !== 'list' || above?.kind !== 'list') return merged
  const routes = merged.entries.get('routes')
  if (routes === undefined) return merged
  const tree: ListTree = { ...above, items: [...above.items, ...below.items] }
  return { ...merged, entries: new Map(merged.entries).set('routes', { ...routes, tree }) }
}

/** The node at a path, or the nearest one above it that is written. */
export function findTree (root: Tree, path: Path): Tree {
  let at = root
  for (const step of path) {
    const next = child(at, step)
    if (next === undefined) return at
    at = next
  }
  return at
}

export function child (tree: Tree, step: string | number): Tree | undefined {
  if (tree.kind === 'map') return tree.entries.get(String(step))?.tree
  return tree.kind === 'list' ? tree.items[Number(step)] : undefined
}
