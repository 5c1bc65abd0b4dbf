import fc from 'fast-check'
import t from 'tap'
import {
  MOST_BARE, MOST_CONTAINERS, MOST_DEPTH, MOST_MEMBERS, MOST_VALUES, readStrictJson, readStrictJsonInTurns,
} from '../../src/prompt/strict-json.js'

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const list = (length: number, element = '1') => `[${Array.from({ length }, () => element).join()}]`
const map = (length: number) => `{${Array.from({ length }, (_, i) => `"k${i}":1`).join()}}`

t.test('JSON is what JSON.parse says', async (t) => {
  for (const text of ['{}', '[]', 'null', '0', '""', ' {"a" : [1, {"a": 2}], "b": {"a": 3}}\r\n', '{"__proto__":1}',
    '{"a":"\\ud83d","b":"\\ud83d\\ude00"}', '[1e999, 12345678901234567890]', '{"":1," ":2}', '{"a:b":"{[,\\":"}']) {
    t.strictSame(readStrictJson(text), { value: JSON.parse(text) }, text)
  }
  t.ok(Object.hasOwn((readStrictJson('{"__proto__":1}') as { value: object }).value, '__proto__'))
})

t.test('what only some parsers take is none', async (t) => {
  for (const text of ['', ' ', '{', '{"a":1,}', "{'a':1}", '{a:1}', '[1,]', '{"a":1}{"a":2}', '{"a":1} x', '[NaN]', '[Infinity]',
    '[01]', '[+1]', '[.5]', '[0x10]', '/* */{}', '{} // a', '{"a":"\n"}', '\u00a0{}', '\ufeff{}', '{"a":1}\0', '{"a"::1}', '"\\x41"',
    '[undefined]', '{"a":"', '{"a":"\\', '}{', ']]]]', ':::']) {
    t.strictSame(readStrictJson(text), { fault: 'INVALID_JSON' }, JSON.stringify(text))
  }
})

t.test('no key comes twice in a map, however it is written', async (t) => {
  for (const text of ['{"text":1,"text":2}', '{"text":1,"te\\u0078t":1}', '{"\\u0074ext":1,"text":1}', '[[{"a":{"b":1,"c":2,"b":3}}]]',
    '{"a":1,"b":{},"a":{}}', '{"__proto__":1,"__proto__":2}', '{"__proto__":1,"__pr\\u006fto__":2}', '{"1":1,"\\u0031":1}', '{"":1,"":1}',
    '{"\\/":1,"/":1}', '{"é":1,"\\u00e9":1}', '{"😀":1,"\\ud83d\\ude00":1}', '{"\\ud800":1}', '{"\\ud800":1,"\\udbff":1}', '{"a":[{"x":1,"x":1}]}']) {
    t.strictSame(readStrictJson(text), { fault: 'DUPLICATE_KEYS' }, text)
  }
  for (const text of ['{"a":1,"A":2}', '[{"a":1},{"a":1}]', '{"a":{"a":{"a":1}}}', '{"e\\u0301":1,"é":2}', '{"a":"a","b":"\\"a\\":1,\\"a\\":2"}']) {
    t.equal(readStrictJson(text).fault, undefined, text)
  }
})

t.test('every bound holds to the digit', async (t) => {
  t.equal(readStrictJson(nested(MOST_DEPTH)).fault, undefined)
  t.equal(readStrictJson(nested(MOST_DEPTH + 1)).fault, 'TOO_DEEP')
  t.equal(readStrictJson('{"a":'.repeat(MOST_DEPTH + 1) + '1' + '}'.repeat(MOST_DEPTH + 1)).fault, 'TOO_DEEP')
  t.equal(readStrictJson(`["${'[{'.repeat(MOST_CONTAINERS)}"]`).fault, undefined, 'brackets within a text are text')
  t.equal(readStrictJson(list(MOST_CONTAINERS - 1, '[]')).fault, undefined)
  t.equal(readStrictJson(list(MOST_CONTAINERS, '{}')).fault, 'BODY_TOO_LARGE')
  t.equal(readStrictJson(map(MOST_MEMBERS)).fault, undefined)
  t.equal(readStrictJson(map(MOST_MEMBERS + 1)).fault, 'BODY_TOO_LARGE')
  t.equal(readStrictJson(list(MOST_VALUES + 1)).fault, undefined)
  t.equal(readStrictJson(list(MOST_VALUES + 2)).fault, 'BODY_TOO_LARGE')
  t.equal(readStrictJson(' '.repeat(MOST_BARE - 2) + '[]').fault, undefined)
  t.equal(readStrictJson(' '.repeat(MOST_BARE - 1) + '[]').fault, 'BODY_TOO_LARGE')
  t.equal(readStrictJson(`"${'x'.repeat(2 * MOST_BARE)}"`).fault, undefined, 'texts may be long')
})

t.test('any JSON that has no key twice is read; any that has one is not', async (t) => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 5 }), fc.nat(3), (value, indent) => {
    const text = JSON.stringify(value, null, indent)
    const reading = readStrictJson(text)
    t.ok(reading.fault !== undefined ? /[\ud800-\udfff]|\\u[dD][89a-fA-F]/.test(text) : true, text)
    if (reading.fault === undefined) t.strictSame(JSON.stringify(reading.value), JSON.stringify(JSON.parse(text)))
  }), { numRuns: 300 })
  const member = fc.tuple(fc.constantFrom('a', 'b', 'text', 'é', '0'), fc.boolean(), fc.constantFrom('1', '{}', '[{"a":1}]', '"a:a"'))
  fc.assert(fc.property(fc.array(member, { maxLength: 6 }), (members) => {
    const escaped = (key: string) => [...key].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
    const text = `[{"x":{${members.map(([key, isEscaped, value]) => `"${isEscaped ? escaped(key) : key}":${value}`).join()}}}]`
    const isTwice = new Set(members.map(([key]) => key)).size < members.length
    t.equal(readStrictJson(text).fault, isTwice ? 'DUPLICATE_KEYS' : undefined, text)
  }), { numRuns: 300 })
})

t.test('texts of any length end at their own quote', async (t) => {
  const pieces = fc.array(fc.constantFrom('a', '\\\\', '\\"', '\\u0022', ':', '{', ',', 'x'.repeat(61), '\\\\'.repeat(33)), { maxLength: 12 })
  fc.assert(fc.property(pieces, pieces, (left, right) => {
    const text = `{"a":"${left.join('')}","b":["${right.join('')}"],"c":{}}`
    t.strictSame(readStrictJson(text), { value: JSON.parse(text) }, text)
    t.equal(readStrictJson(text.replace('"b"', '"a"')).fault, 'DUPLICATE_KEYS')
  }), { numRuns: 300 })
  for (const cut of ['"', '"\\', `"${'x'.repeat(64)}`, `"${'x'.repeat(63)}\\`, `"${'x'.repeat(64)}\\"`, `"${'x'.repeat(64)}\\`]) {
    t.equal(readStrictJson(`{"a":${cut}`).fault, 'INVALID_JSON', cut)
  }
})

t.test('a long text is read in several turns, and reads the same', async (t) => {
  const long = `{"a":"${'x'.repeat(400_000)}","b":1}`
  let turns = 0
  let isOver = false
  const turn = () => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  turn()
  const reading = await readStrictJsonInTurns(long)
  isOver = true
  t.ok(turns >= 3)
  t.strictSame(reading, readStrictJson(long))
  for (const text of ['{}', '{"a":1,"a":1}', long + 'x', long.replace('"b"', '"a"'), long + '['.repeat(65)]) {
    t.strictSame(await readStrictJsonInTurns(text), readStrictJson(text))
  }
})

t.test('a name is read as it is written, whatever maps came before it', async (t) => {
  const read = (text: string) => {
    const reading = readStrictJson(text)
    return reading.fault ?? reading.value
  }
  // V8 remembers which name came next in such a map, and finds its letters in the escape.
  for (let i = 0; i < 3; i++) t.same(read('{"\\\\u00":"x","model":1}'), { '\\u00': 'x', model: 1 })
  t.same(read('{"\\u0074ext":"forbidden","b":{"\\\\d+":1}}'), { text: 'forbidden', b: { '\\d+': 1 } })
  t.same(read('{"\\u0074ext":"forbidden"}'), { text: 'forbidden' })
  t.same(read(`{"\\u0074ext" : "${'x'.repeat(300_000)}\\":"}`), { text: `${'x'.repeat(300_000)}":` })
  t.equal(read('{"\\u0074ext":1,"text":2}'), 'DUPLICATE_KEYS')
  read('{"messages":1,"\\\\":2}')
  t.same(read('{"messages":1,"\\u006e":2,"m":[{"\\u0074ext":3}]}'), { messages: 1, n: 2, m: [{ text: 3 }] })
  const name = fc.constantFrom('text', 'n', 'r\u00e9sum\u00e9', '\\u00', '\\', '\\u0074', 'a\\b')
  const spell = fc.tuple(name, fc.constantFrom(escaped, JSON.stringify))
    .map(([name, write]) => ({ name, text: write(name) }))
  const map = fc.uniqueArray(spell, { minLength: 1, maxLength: 3, selector: ({ name }) => name })
  fc.assert(fc.property(map, (members) => {
    const text = `{${members.map(({ text }, i) => `${text}:${i}`).join(',')}}`
    const value = read(text) as object
    const plain = members.map(({ name }, i) => [name, i] as const).filter(([name]) => !name.includes('\\'))
    return plain.every(([name, i]) => Reflect.get(value, name) === i)
  }), { numRuns: 3_000 })
})

function escaped (name: string): string {
  return `"${[...name].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
}
