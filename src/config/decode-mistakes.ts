/** What is said of a value that is not what its schema asks for. */
import { show } from './mistake.js'
import type { Findings, Mistake, Place } from './mistake.js'
import { nounOf } from './parse.js'
import { expectedOf } from './scalars.js'
import type { Rule } from './scalars.js'
import type { MapTree, Path, ScalarTree, Tree } from './tree.js'
import type { Variable } from './variables.js'

/** The part of JSON Schema that our schemas are written in. */
export interface SchemaNode {
  readonly type?: 'object' | 'array'
  readonly kind?: Rule['kind']
  readonly values?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
  readonly oneOrMany?: SchemaNode
  readonly shorthand?: { readonly key: string, readonly map: SchemaNode }
  readonly textsOrMaps?: SchemaNode
}

export interface Context extends Findings { readonly seen: Set<Tree> }

export function foundIn (rule: Rule, tree: ScalarTree): string {
  if (rule.kind === 'secret' || tree.variable?.isSecret === true) return 'a secret'
  return typeof tree.value === 'string' ? show(tree.text) : tree.text
}

/** Says only what sort of thing was found: a secret may stand in a wrong place. */
export function misfit (schema: SchemaNode | Rule, tree: Tree, path: Path, context: Context): undefined {
  const told = { found: nounOf(tree), expected: wanted(schema) }
  if (tree.kind === 'scalar') reportScalar(tree, path, told, context)
  else report(context, tree.place, path, told)
}

export function missing (schema: SchemaNode, tree: MapTree, path: Path, context: Context): void {
  const variable = tree.unset.get(String(path.at(-1)))
  const found = variable === undefined ? 'nothing' : `nothing (${variable} is unset)`
  report(context, tree.place, path, { found, expected: wanted(schema) })
}

function wanted (schema: SchemaNode | Rule): string {
  if (schema.kind !== undefined) return expectedOf(ruleOf(schema, schema.kind))
  return 'type' in schema && schema.type === 'array' ? 'a list' : 'a map of keys'
}

export function ruleOf ({ minimum, maximum, values }: SchemaNode | Rule, kind: Rule['kind']): Rule {
  return {
    kind,
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(values === undefined ? {} : { values }),
  }
}

export type Told = Pick<Mistake, 'found' | 'expected' | 'suggestion'>

/** A value that a variable gave is the variable's mistake; an alias is reported once. */
export function reportScalar (tree: ScalarTree, path: Path, told: Told, context: Context): void {
  context.broken.add(path.join('.'))
  if (context.seen.has(tree)) return
  context.seen.add(tree)
  if (tree.variable === undefined) report(context, tree.place, path, told)
  else context.mistakes.push(blameVariable(tree.variable, path, told))
}

/** The mistake of a variable, said with the key that it is for. */
export function blameVariable (variable: Variable, path: Path, told: Told): Mistake {
  return { ...variable.place, key: variable.key, ...told, expected: `${told.expected} (for ${path.join('.')})` }
}

export function report (context: Context, place: Place, path: Path, told: Told): void {
  context.broken.add(path.join('.'))
  context.mistakes.push({ ...place, key: path.join('.'), ...told })
}
