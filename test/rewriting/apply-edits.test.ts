import fc from 'fast-check'
import t from 'tap'
import type { JsonValue } from '../../src/json-value.js'
import type { Edit } from '../../src/rewriting/contract.js'
import { applyEdits, applyEditsInTurns } from '../../src/rewriting/apply-edits.js'
import { watchLoop } from '../upstream/watch-loop.js'
import { placesIn, print, rebuilt, squeeze, written } from './written.js'

const at = (pointer: string, value: JsonValue | undefined): Edit => ({ pointer: pointer.split('/').slice(1), value })
const value = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>

const table: readonly [name: string, text: string, edits: readonly Edit[], expected: string][] = [
  ['nothing is asked for', ' {"a": 1.0}\n', [], ' {"a": 1.0}\n'],
  ['a value is replaced', '{ "a" : 1e5 , "b":[ -0 ,"x"]}', [at('/b/1', 'y')], '{ "a" : 1e5 , "b":[ -0 ,"y"]}'],
  ['a name is spelt with escapes', '{"te\\u0078t":"\\u0041", "\\"":1}', [at('/text', 'B'), at('/"', 2)], '{"te\\u0078t":"B", "\\"":2}'],
  ['a member is added', '{\n  "a": 1\n}', [at('/b', [true]), at('/c', null)], '{\n  "a": 1,"b":[true],"c":null\n}'],
  ['a member is added to an empty map', '{ "m": {} , "n": {\n} }', [at('/m/x', 1), at('/n/x', 2)], '{ "m": {"x":1} , "n": {"x":2\n} }'],
  ['maps that lead there are made', '{}', [at('/a/b/c', 1), at('/a/b/d', 2), at('/a/e', 3)], '{"a":{"b":{"c":1,"d":2},"e":3}}'],
  ['nothing is made for what is taken out', '{"a":{}}', [at('/b/c', undefined), at('/a/d/e', undefined)], '{"a":{}}'],
  ['the first is taken out', '{ "a": 1 , "b": 2 }', [at('/a', undefined)], '{ "b": 2 }'],
  ['the first ones are taken out', '[ 1 , 2 , 3 ]', [at('/0', undefined), at('/1', undefined)], '[ 3 ]'],
  ['one in between is taken out', '{"a":1, "b":2 ,"c":3}', [at('/b', undefined)], '{"a":1 ,"c":3}'],
  ['the last ones are taken out', '[ 1 , 2 , 3 ]', [at('/1', undefined), at('/2', undefined)], '[ 1 ]'],
  ['all are taken out', '{"l":[ 1 , 2 ],"m":{ "a":1}}', [at('/l/0', undefined), at('/l/1', undefined), at('/m/a', undefined)], '{"l":[  ],"m":{ }}'],
  ['all are taken out and one is added', '{ "a":1 ,"b":2 }', [at('/a', undefined), at('/c', 3), at('/b', undefined)], '{ "c":3 }'],
  ['the last is taken out and one is added', '{ "a":1 , "b":2 }', [at('/b', undefined), at('/c', 3)], '{ "a":1,"c":3 }'],
  ['the later wins', '{"a":1}', [at('/a', 2), at('/a', 3), at('/b', 4), at('/b', undefined)], '{"a":3}'],
  ['something is put where something was taken out', '{"a":1,"b":2}', [at('/a', undefined), at('/a', 3), at('/b', undefined), at('/b/c', 4)], '{"a":3,"b":{"c":4}}'],
  ['something within is edited first', '{"a":{"b":1}}', [at('/a/b', 2), at('/a', { c: 3 })], '{"a":{"c":3}}'],
  [
    'what is written is edited again', '{"a":0}',
    [at('/a', { b: [1, 2], c: 3 }), at('/a/b/0', undefined), at('/a/c', { d: 1 }), at('/a/c/e', 5)],
    '{"a":{"b":[2],"c":{"d":1,"e":5}}}',
  ],
  [
    'a list or a plain value stands in the way', '{"a":[1],"b":2,"c":"x"}',
    ['/a/x', '/b/x', '/c/0', '/a/1', '/a/00', '/a/-', '/a/-1', '/a/1e0', '/a/1/x'].map((pointer) => at(pointer, 1)), '{"a":[1],"b":2,"c":"x"}',
  ],
  ['elements keep their numbers', '[[1],[2],[3]]', [at('/0', undefined), at('/1/0', 9), at('/2', undefined), at('/2', 7)], '[[9],7]'],
  ['the whole is replaced', ' [1] ', [{ pointer: [], value: { a: 1 } }, at('/b', 2)], ' {"a":1,"b":2} '],
  ['the whole cannot be taken out', '[1]', [{ pointer: [], value: undefined }], '[1]'],
  ['the document is plain', ' "x" ', [at('/a', 1), { pointer: [], value: 5 }], ' 5 '],
  ['a byte order mark stays', '\ufeff{"a":1}', [at('/a', 2)], '\ufeff{"a":2}'],
  ['a name is one of every map', '{"a":1,"__proto__":{"x":1}}', [at('/__proto__/x', 2), at('/constructor', 3), at('/toString/y', 4)], '{"a":1,"__proto__":{"x":2},"constructor":3,"toString":{"y":4}}'],
  ['half a surrogate pair is written', '{"a":"\\ud83d"}', [at('/b', '\ud83d'), at('/\ud83d', '😀')], '{"a":"\\ud83d","b":"\\ud83d","\\ud83d":"😀"}'],
  ['a name comes twice', '{"a":1,"a":2}', [at('/a', 3)], '{"a":3,"a":3}'],
  ['a text is full of brackets', '{"a":"}],{\\\\","b":"\\\\\\"}"}', [at('/b', 1)], '{"a":"}],{\\\\","b":1}'],
]

for (const [name, text, edits, expected] of table) {
  t.test(`edits: ${name}`, async (t) => {
    t.equal(applyEdits(text, edits), expected)
    t.equal(await applyEditsInTurns(text, edits), expected)
  })
}

/** Of places that do not lie within one another. */
function apart (places: readonly string[][]): string[][] {
  const isIn = (inner: readonly string[], outer: readonly string[]) => outer.every((part, i) => part === inner[i])
  return places.filter((place, i) => !places.slice(0, i).some((other) => isIn(place, other) || isIn(other, place)))
}

t.test('everything outside of the replaced places is what it was, byte for byte', async (t) => {
  const around = fc.constantFrom('', ' \n', '\r\n')
  const cases = fc.tuple(written, fc.infiniteStream(fc.boolean()), fc.infiniteStream(value), around, around)
  fc.assert(fc.property(cases, ([tree, chosen, values, before, after]) => {
    const places = apart(placesIn(tree).filter(() => chosen.next().value === true))
    const edits = places.map((pointer): Edit => ({ pointer, value: values.next().value as JsonValue }))
    const ours = new Map(edits.map(({ pointer, value }) => [JSON.stringify(pointer), JSON.stringify(value)]))
    const text = before + print(tree) + after
    return applyEdits(text, edits) === before + print(tree, ours) + after
  }), { numRuns: 1_000 })
})

t.test('what is taken out or added leaves all else as it is written, blanks around it aside', async (t) => {
  const cases = fc.tuple(written, fc.infiniteStream(fc.integer({ min: 0, max: 5 })), fc.infiniteStream(value))
  fc.assert(fc.property(cases, ([tree, chosen, values]) => {
    const places = placesIn(tree)
    const gone = apart(places.filter(() => chosen.next().value === 0))
    const maps = [[], ...places].filter((place) => isMapAt(JSON.parse(print(tree)), place) && chosen.next().value === 1)
      .filter((place) => !gone.some((other) => other.every((part, i) => part === place[i])))
    const added = maps.map((place) => ({ place, value: values.next().value as JsonValue }))
    const edits = [
      ...gone.map((pointer): Edit => ({ pointer, value: undefined })),
      ...added.map(({ place, value }): Edit => ({ pointer: [...place, 'a new name'], value })),
    ]
    const members = new Map(added.map(({ place, value }) => [JSON.stringify(place), [
      { before: '', key: '"a new name"', colon: '', value: { kind: 'plain' as const, text: JSON.stringify(value) }, after: '' },
    ]]))
    const expected = print(rebuilt(tree, { gone: new Set(gone.map((place) => JSON.stringify(place))), added: members }))
    return squeeze(applyEdits(print(tree), edits)) === squeeze(expected)
  }), { numRuns: 1_000 })
})

t.test('any edits in a row do what they do to a document in memory, and the text stays JSON', async (t) => {
  const part = fc.constantFrom('a', 'b', 'text', '0', '1', '__proto__', '')
  const pointer = fc.array(part, { minLength: 1, maxLength: 4 })
  const edit = fc.record({ pointer, value: fc.option(value, { nil: undefined }) })
  fc.assert(fc.property(written, fc.array(edit, { maxLength: 8 }), (tree, edits) => {
    const text = print(tree)
    const edit = (cell: Cell, { pointer, value }: Edit) => edited(cell, pointer, value)
    const expected = edits.reduce(edit, cellOf(JSON.parse(text)))
    return JSON.stringify(sorted(plain(expected))) === JSON.stringify(sorted(JSON.parse(applyEdits(text, edits))))
  }), { numRuns: 3_000 })
})

t.test('thousands of edits and long texts are done in time, and others have their turns', async (t) => {
  const list = `[${Array.from({ length: 50_000 }, () => '"x"').join(',')}]`
  const many = Array.from({ length: 100_000 }, (_, i) => at(`/list/${i % 60_000}`, i % 3 === 0 ? undefined : i))
  const wide = Array.from({ length: 20_000 }, (_, i) => at(`/new/${i}/deep`, i))
  const messages = Array.from({ length: 30 }, () => ({ role: 'user', content: '"'.repeat(50_000) }))
  const long = `{"messages":${JSON.stringify(messages)},"list":${list}}`
  const deep = Array.from({ length: 10 }, () => ({ pointer: Array.from({ length: 10_000 }, () => 'a'), value: 1 }))
  const mixed = '['.repeat(60) + '1'.repeat(300_000) + ']'.repeat(60)
  t.equal(applyEdits('{}', deep), '{}', 'nobody reads so deep')
  t.equal(applyEdits(mixed, [{ pointer: Array.from({ length: 60 }, () => '0'), value: 2 }]), '['.repeat(60) + '2' + ']'.repeat(60))
  for (const [name, text, edits] of [['many', long, many], ['wide', '{}', wide], ['one', long, [at('/list/49999', 'y')]]] as const) {
    const stalls = watchLoop()
    const startedAt = performance.now()
    const edited = await applyEditsInTurns(text, edits)
    t.ok(performance.now() - startedAt < 2_000, `${name}: ${performance.now() - startedAt} ms`)
    t.ok((stalls()[0] ?? 0) < 60, `${name}: ${stalls()[0]} ms at once`)
    t.equal(edited, applyEdits(text, edits))
    JSON.parse(edited)
  }
})

/** A reference: values in memory, where what is taken out of a list leaves its place empty. */
type Cell = { value: unknown } | { list: Cell[] } | { map: Map<string, Cell>, isMade?: boolean } | 'gone'

function cellOf (value: unknown): Cell {
  if (Array.isArray(value)) return { list: value.map(cellOf) }
  if (typeof value !== 'object' || value === null) return { value }
  return { map: new Map(Object.entries(value).map(([name, inner]) => [name, cellOf(inner)])) }
}

function edited (cell: Cell | undefined, [name, ...rest]: readonly string[], value: JsonValue | undefined): Cell {
  if (name === undefined) return value === undefined ? 'gone' : cellOf(value)
  if (cell === undefined || cell === 'gone') return value === undefined ? 'gone' : edited({ map: new Map(), isMade: true }, [name, ...rest], value)
  if ('map' in cell) return { ...cell, map: new Map([...cell.map, [name, edited(cell.map.get(name), rest, value)]]) }
  if (!('list' in cell) || !/^(0|[1-9]\d*)$/.test(name) || Number(name) >= cell.list.length) return cell
  return { list: cell.list.with(Number(name), edited(cell.list[Number(name)], rest, value)) }
}

function plain (cell: Cell): unknown {
  if (cell === 'gone') return undefined
  if ('list' in cell) return cell.list.filter(isThere).map(plain)
  if ('map' in cell) return Object.fromEntries([...cell.map].filter(([, one]) => isThere(one)).map(([name, one]) => [name, plain(one)]))
  return cell.value
}

/** Maps that are made for what was taken out again are not made. */
function isThere (cell: Cell): boolean {
  return cell !== 'gone' && !('map' in cell && cell.isMade === true && ![...cell.map.values()].some(isThere))
}

function sorted (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([left], [right]) => left < right ? -1 : 1)
  return members.map(([name, inner]: [string, unknown]) => [name, sorted(inner)])
}

function isMapAt (document: unknown, place: readonly string[]): boolean {
  const value = place.reduce<unknown>((inner, part) => Reflect.get(Object(inner) as object, part), document)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
