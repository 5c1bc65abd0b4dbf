import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Node, Pair, Scalar, YAMLError, YAMLMap } from 'yaml'
import { interpolate } from './interpolate.js'
import { show } from './mistake.js'
import type { Findings, Mistake, Place } from './mistake.js'
import type { Entry, MapTree, ScalarTree, Tree } from './tree.js'
import type { Variables } from './variables.js'

/** Aliases may make a small file large: no file may unfold to more nodes than this, nor nest deeper. */
const MOST_NODES = 50_000
const MOST_ALIASES = 1000
const DEEPEST = 40
/** One slip of the pen makes a parser complain many times over. */
const MOST_SYNTAX_MISTAKES = 3

/** Mistakes are added to what was found so far. */
export interface ParseOptions extends Findings {
  readonly file: string
  readonly variables: Variables
  /** The only key at the top that is looked at. */
  readonly only?: string
}

interface Context extends ParseOptions {
  readonly document: Document
  readonly lines: LineCounter
  nodes: number
  aliases: number
}

/** What became of a value: a tree, or why it counts as not written. */
type Built = Tree | { readonly kind: 'absent', readonly variable: string | undefined }

const open = '${'
const placeholders = `${open}NAME} or ${open}NAME:-default}`
const nothing: Built = { kind: 'absent', variable: undefined }

/** Text of a YAML file → tree with places, placeholders filled in. An empty file is an empty map. */
export function parseTree (text: string, options: ParseOptions): MapTree {
  const { file, mistakes } = options
  const empty: MapTree = { kind: 'map', place: { file, line: 1, col: 1 }, entries: new Map(), unset: new Map() }
  const lines = new LineCounter()
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' })
    const context: Context = { ...options, document, lines, nodes: 0, aliases: 0 }
    if (document.errors.length > 0) {
      const first = document.errors.slice(0, MOST_SYNTAX_MISTAKES)
      mistakes.push(...first.map((error) => syntaxMistake(error, text, context)))
      return empty
    }
    const built = document.contents === null ? nothing : build(document.contents, [], context)
    if (built.kind === 'map') return built
    if (built.kind !== 'absent') mistakes.push({ ...built.place, key: '', found: nounOf(built), expected: 'a map of keys' })
  } catch (error) {
    // The parser recurses, so that extreme nesting ends here, as do files that unfold without end.
    const found = error instanceof Unbounded ? error.message : 'a file that is nested too deeply'
    mistakes.push({ file, line: 1, col: 1, key: '', found, expected: 'a plain YAML file' })
  }
  return empty
}

class Unbounded extends Error {}

export function nounOf (tree: Tree): string {
  if (tree.kind !== 'scalar') return tree.kind === 'map' ? 'a map' : 'a list'
  return typeof tree.value === 'string' ? 'text' : `a ${typeof tree.value}`
}

function build (node: Node | null, path: readonly string[], context: Context): Built {
  if (++context.nodes > MOST_NODES || path.length > DEEPEST) throw new Unbounded('a file that unfolds without end')
  if (isAlias(node)) {
    if (++context.aliases > MOST_ALIASES) throw new Unbounded('a file that unfolds without end')
    return build(node.resolve(context.document) ?? null, path, context)
  }
  if (isMap(node)) return buildMap(node, path, context)
  if (isSeq(node)) {
    const items = node.items.map((item, index) => build(item as Node | null, [...path, String(index)], context))
    return { kind: 'list', place: placeOf(node, context), items: items.filter((item) => item.kind !== 'absent') }
  }
  return isScalar(node) ? buildScalar(node, path, context) : nothing
}

function buildMap (node: YAMLMap, path: readonly string[], context: Context): Built {
  const entries = new Map<string, Entry>()
  const unset = new Map<string, string>()
  for (const { key, value } of node.items as Array<Pair<Node, Node | null>>) {
    const isSkipped = path.length === 0 && context.only !== undefined && !(isScalar(key) && key.value === context.only)
    if (isSkipped) continue
    const keyPlace = placeOf(key, context)
    if (!isScalar(key)) {
      context.mistakes.push({ ...keyPlace, key: path.join('.'), found: 'a key that is no text', expected: 'a text as key' })
      continue
    }
    const name = textOf(key)
    const built = build(value, [...path, name], context)
    if (built.kind !== 'absent') entries.set(name, { keyPlace, tree: built })
    else if (built.variable !== undefined) unset.set(name, built.variable)
  }
  return { kind: 'map', place: placeOf(node, context), entries, unset }
}

function buildScalar (node: Scalar, path: readonly string[], context: Context): Built {
  const place = placeOf(node, context)
  const { value } = node
  if (typeof value === 'number' || typeof value === 'boolean') return scalar(place, value, textOf(node))
  if (typeof value !== 'string') return nothing
  if (!value.includes('${')) return value === '' ? nothing : scalar(place, value, value)
  const filled = interpolate(value, context.variables.get)
  if (filled.outcome === 'absent') return { kind: 'absent', variable: filled.variable }
  if (filled.outcome === 'malformed') {
    context.broken.add(path.join('.'))
    context.mistakes.push({ ...place, key: path.join('.'), found: show(value), expected: placeholders })
    return nothing
  }
  if (filled.used.some((variable) => variable.isWrong)) {
    // The mistake is the variable's and already reported.
    context.broken.add(path.join('.'))
    return nothing
  }
  const variable = filled.used.find((one) => one.isSecret) ?? filled.used[0]
  return { ...scalar(place, filled.text, filled.text), variable }
}

function scalar (place: Place, value: string | number | boolean, text: string): ScalarTree {
  return { kind: 'scalar', place, value, text, variable: undefined }
}

function textOf (node: Scalar): string {
  return typeof node.value === 'string' ? node.value : node.source ?? String(node.value)
}

function placeOf (node: Node | null, { file, lines }: Context): Place {
  return { file, ...lines.linePos(node?.range?.[0] ?? 0) }
}

/** Never with the text of the file, which may be a secret. */
function syntaxMistake (error: YAMLError, text: string, { file, lines }: Context): Mistake {
  const { line, col } = lines.linePos(error.pos[0])
  const isDuplicate = error.code === 'DUPLICATE_KEY'
  const found = isDuplicate ? 'the same key twice' : `a syntax error (${error.message.replace(/:.*/s, '')})`
  const written = (text.split('\n')[line - 1] ?? '').slice(Math.max(0, col - 200), col + 200)
  const hint = /[{[].*[^"']\$\{/.test(written) ? ` (within { } or [ ] a value with ${open}…} needs quotes)` : ''
  const key = isDuplicate ? /^[\w.-]{1,60}/.exec(text.slice(error.pos[0]))?.[0] ?? '' : ''
  return { file, line, col, key, found, expected: isDuplicate ? 'each key once' : `YAML${hint}` }
}
