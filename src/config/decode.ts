import type { Static, TSchema } from 'typebox'
import { foundIn, misfit, missing, report, reportScalar, ruleOf, type Context, type SchemaNode } from './decode-mistakes.js'
import { nearest, show } from './mistake.js'
import type { Findings } from './mistake.js'
import { readScalar } from './scalars.js'
import type { Rule } from './scalars.js'
import type { ListTree, MapTree, Path, Tree } from './tree.js'

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

function frozen (members: Array<[string, unknown]>): unknown {
  return Object.freeze(Object.fromEntries(members.filter(([, value]) => value !== undefined)))
}
