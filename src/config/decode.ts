import type { Static, TSchema } from 'typebox'
import { nearest, show } from './mistake.js'
import type { Findings, Mistake, Place } from './mistake.js'
import { nounOf } from './parse.js'
import { expectedOf, readScalar } from './scalars.js'
import type { Rule } from './scalars.js'
import type { ListTree, MapTree, Path, ScalarTree, Tree } from './tree.js'
import type { Variable } from './variables.js'

/** The part of JSON Schema that our schemas are written in. */
interface SchemaNode {
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

interface Context extends Findings { readonly seen: Set<Tree> }

/**
 * Tree → typed value by a schema made of strict objects, records, arrays and our scalar kinds. What is wrong is
 * left out of the value and added to what was found: the value is only what its type says when none was added.
 */
export function decode<T extends TSchema> (schema: T, tree: Tree, findings: Findings): Static<T> {
  return Object.freeze(decodeNode(schema as SchemaNode, tree, [], { ...findings, seen: new Set() }) ?? {}) as Static<T>
}

function decodeNode (schema: SchemaNode, tree: Tree, path: Path, context: Context): unknown {
  if (schema.kind === 'value') return valueOf(tree)
  if (schema.kind !== undefined) return decodeScalar(ruleOf(schema, schema.kind), tree, path, context)
  if (schema.oneOrMany !== undefined) {
    return tree.kind === 'map'
      ? Object.freeze([decodeNode(schema.oneOrMany, tree, path, context)])
      : decodeNode({ type: 'array', items: schema.oneOrMany }, tree, path, context)
  }
  if (schema.shorthand !== undefined) return decodeShorthand(schema.shorthand, tree, path, context)
  if (schema.textsOrMaps !== undefined) return decodeTextsOrMaps(schema.textsOrMaps, tree, path, context)
  if (schema.type === 'array' && schema.items !== undefined) {
    return tree.kind === 'list' ? decodeList(schema.items, tree, path, context) : misfit(schema, tree, path, context)
  }
  if (tree.kind !== 'map') return misfit(schema, tree, path, context)
  const [record] = Object.values(schema.patternProperties ?? {})
  return record === undefined ? decodeObject(schema, tree, path, context) : decodeRecord(record, tree, path, context)
}

function decodeObject (schema: SchemaNode, tree: MapTree, path: Path, context: Context): unknown {
  const properties = schema.properties ?? {}
  const known = Object.keys(properties)
  const members: Array<[string, unknown]> = []
  for (const [key, entry] of tree.entries) {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined
    if (property === undefined) {
      const suggestion = nearest(key, known)
      report(context, entry.keyPlace, [...path, key], {
        found: `unknown key ${show(key)}`,
        expected: `one of ${known.join(', ')}`,
        ...(suggestion === undefined ? {} : { suggestion }),
      })
      continue
    }
    members.push([key, decodeNode(property, entry.tree, [...path, key], context)])
  }
  for (const key of schema.required ?? []) {
    if (!tree.entries.has(key)) missing(properties[key] ?? {}, tree, [...path, key], context)
  }
  return frozen(members)
}

function decodeRecord (schema: SchemaNode, tree: MapTree, path: Path, context: Context): unknown {
  return frozen([...tree.entries].map(([key, entry]) => [key, decodeNode(schema, entry.tree, [...path, key], context)]))
}

function decodeList (schema: SchemaNode, tree: ListTree, path: Path, context: Context): unknown {
  const items = tree.items.map((item, index) => decodeNode(schema, item, [...path, index], context))
  return Object.freeze(items.filter((item) => item !== undefined))
}

/** As a list of texts is read, with maps among them. */
function decodeTextsOrMaps (schema: SchemaNode, tree: Tree, path: Path, context: Context): unknown {
  if (tree.kind === 'scalar') return decodeScalar({ kind: 'list' }, tree, path, context)
  if (tree.kind === 'map') return Object.freeze([decodeNode(schema, tree, path, context)])
  const items = tree.items.map((item, index) => item.kind === 'map'
    ? decodeNode(schema, item, [...path, index], context)
    : decodeElement(item, [...path, index], context))
  return Object.freeze(items.filter((item) => item !== undefined))
}

/** `{ action: refuse }`, written as `refuse`. */
function decodeShorthand (
  { key, map }: NonNullable<SchemaNode['shorthand']>, tree: Tree, path: Path, context: Context
): unknown {
  const only = map.properties?.[key]
  if (tree.kind === 'map' || only === undefined) return decodeNode(map, tree, path, context)
  return frozen([[key, decodeNode(only, tree, path, context)]])
}

/** As it is written, lists and maps included. */
function valueOf (tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return Object.freeze(tree.items.map(valueOf))
  return frozen([...tree.entries].map(([key, entry]) => [key, valueOf(entry.tree)]))
}

function decodeScalar (rule: Rule, tree: Tree, path: Path, context: Context): unknown {
  if (rule.kind === 'list' && tree.kind === 'list') {
    const items = tree.items.map((item, index) => decodeElement(item, [...path, index], context))
    return Object.freeze(items.filter((item) => item !== undefined))
  }
  if (tree.kind !== 'scalar') return misfit(rule, tree, path, context)
  const reading = readScalar(rule, { value: tree.value, text: tree.text, loose: tree.variable !== undefined })
  if ('value' in reading) return Array.isArray(reading.value) ? Object.freeze(reading.value) : reading.value
  reportScalar(tree, path, { found: foundIn(rule, tree), ...reading }, context)
  return undefined
}

/** An element of a list of texts is taken whole: commas in it are its own. */
function decodeElement (tree: Tree, path: Path, context: Context): unknown {
  if (tree.kind !== 'scalar' || typeof tree.value === 'boolean') return misfit({ kind: 'text' }, tree, path, context)
  return tree.text
}

function foundIn (rule: Rule, tree: ScalarTree): string {
  if (rule.kind === 'secret' || tree.variable?.isSecret === true) return 'a secret'
  return typeof tree.value === 'string' ? show(tree.text) : tree.text
}

/** Says only what sort of thing was found: a secret may stand in a wrong place. */
function misfit (schema: SchemaNode | Rule, tree: Tree, path: Path, context: Context): undefined {
  const told = { found: nounOf(tree), expected: wanted(schema) }
  if (tree.kind === 'scalar') reportScalar(tree, path, told, context)
  else report(context, tree.place, path, told)
}

function missing (schema: SchemaNode, tree: MapTree, path: Path, context: Context): void {
  const variable = tree.unset.get(String(path.at(-1)))
  const found = variable === undefined ? 'nothing' : `nothing (${variable} is unset)`
  report(context, tree.place, path, { found, expected: wanted(schema) })
}

function wanted (schema: SchemaNode | Rule): string {
  if (schema.kind !== undefined) return expectedOf(ruleOf(schema, schema.kind))
  return 'type' in schema && schema.type === 'array' ? 'a list' : 'a map of keys'
}

function ruleOf ({ minimum, maximum, values }: SchemaNode | Rule, kind: Rule['kind']): Rule {
  return {
    kind,
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(values === undefined ? {} : { values }),
  }
}

export type Told = Pick<Mistake, 'found' | 'expected' | 'suggestion'>

/** A value that a variable gave is the variable's mistake; an alias is reported once. */
function reportScalar (tree: ScalarTree, path: Path, told: Told, context: Context): void {
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

function report (context: Context, place: Place, path: Path, told: Told): void {
  context.broken.add(path.join('.'))
  context.mistakes.push({ ...place, key: path.join('.'), ...told })
}

function frozen (members: Array<[string, unknown]>): unknown {
  return Object.freeze(Object.fromEntries(members.filter(([, value]) => value !== undefined)))
}
