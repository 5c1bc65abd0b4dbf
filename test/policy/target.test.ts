import t from 'tap'
import { isPlain, readingsOf } from '../../src/policy/readings.js'
import { parseTarget } from '../../src/policy/target.js'

await t.test('an origin-form target keeps the client\'s own spelling', async (t) => {
  t.same(parseTarget('/a/%62//../c;x?q=%zz&r=\\'), {
    raw: '/a/%62//../c;x?q=%zz&r=\\', path: '/a/%62//../c;x', query: 'q=%zz&r=\\', authority: undefined
  })
  t.same(parseTarget('/'), { raw: '/', path: '/', query: '', authority: undefined })
  t.same(parseTarget('/a?'), { raw: '/a?', path: '/a', query: '', authority: undefined })
  t.equal(parseTarget('//a/b?c?d')?.query, 'c?d')
  t.equal(parseTarget('//a/b')?.path, '//a/b', 'two slashes are a path, not an authority')
})

await t.test('an absolute-form target is forwarded as its origin-form', async (t) => {
  t.same(parseTarget('http://chat.example:8080/a?b'), { raw: '/a?b', path: '/a', query: 'b', authority: 'chat.example:8080' })
  t.same(parseTarget('HTTPS://[::1]'), { raw: '/', path: '/', query: '', authority: '[::1]' })
  t.same(parseTarget('http://my_app?x'), { raw: '/?x', path: '/', query: 'x', authority: 'my_app' })
  t.equal(parseTarget('http://host//x')?.path, '//x')
})

await t.test('malformed targets are refused', async (t) => {
  const malformed = [
    '', '*', 'host:443', 'api/auth/login', 'ftp://host/', 'http:/host/', 'http://', 'http:///a', 'http://user@host/',
    'http://user:secret@host/a', 'http://ho%73t/', 'http://host:port/', 'http://a\\b/', 'http://host#/a', 'ws://host/',
    '/a b', '/a\tb', '/a\u00e9', '/a\u007f', '/a#b', '/a?b#c', '/a\\b', '/%', '/%4', '/%zz', '/%u0061', '/%ff', '/%c0%af',
    '/%ed%a0%80', '/a%00b', '/%00', '/a\r\nb', '/a\0',
  ]
  for (const url of malformed) t.equal(parseTarget(url), undefined, JSON.stringify(url))
})

await t.test('a plain path has one reading', async (t) => {
  for (const path of ['/', '/api/auth/login', '/API/x.y/z..js', '/a:b@c', '/assets/index-4f.js', '/...']) {
    t.same(readingsOf(path), [path])
  }
  t.ok(isPlain('/assets/index-4f.js'))
  for (const path of ['/a/', '//a', '/./a', '/%61', '/a;b']) t.notOk(isPlain(path), path)
})

/** A way to spell it, and a reading that some backend takes of it. */
const taken: readonly [string, string, string][] = [
  ['an escaped letter', '/l%6Fgin', '/login'],
  ['an escaped slash', '/a%2fb', '/a/b'],
  ['an escaped slash that stays one in a segment', '/l%6Fgin/a%2Fb', '/login/a%2Fb'],
  ['reserved characters that stay escaped', '/a%3ab%2f%41', '/a%3ab%2fA'],
  ['segments decoded one by one', '/a%3Ab/c%2fd', '/a:b/c%2Fd'],
  ['one level of a double escape', '/a%252fb', '/a%2fb'],
  ['slashes merged', '//a///b//', '/a/b/'],
  ['only the first doubled slash merged', '/a//b//c', '/a/b//c'],
  ['dot segments', '/a/./x/../b', '/a/b'],
  ['escaped dot segments', '/a/%2E/x/.%2e/b', '/a/b'],
  ['escaped dot segments, all else as sent', '/x/%2e%2E/%61', '/%61'],
  ['only plain dot segments', '/a/%2e%2e/../b', '/a/b'],
  ['dot segments above the root', '/../../a', '/a'],
  ['a last dot segment', '/a/b/..', '/a'],
  ['an empty segment popped', '/a//../b', '/a/b'],
  ['merged before dots', '/a//../b', '/b'],
  ['parameters of segments', '/a;x=1/b;y', '/a/b'],
  ['everything behind a semicolon', '/a;x=1/b;y', '/a'],
  ['escaped parameters', '/a%3Bx/b', '/a/b'],
  ['dots behind parameters', '/x/..;y/a', '/a'],
  ['dots behind an escaped slash', '/x%2f..%2fa', '/a'],
  ['an escaped backslash', '/a%5cb', '/a/b'],
  ['trailing slashes', '/a//', '/a'],
  ['a host before the path', '//host/a', '/a'],
  ['a host behind an escaped backslash', '/%5chost/a', '/a'],
  ['an escaped question mark', '/a%3Fb/c', '/a'],
  ['an escaped number sign', '/a%23b', '/a'],
  ['an escaped line feed', '/a%0A', '/a'],
  ['an escaped blank', '/a%20', '/a'],
  ['an escaped tab', '/a%09b', '/ab'],
]

await t.test('every reading that a backend might take is read', async (t) => {
  for (const [name, path, reading] of taken) {
    t.equal(readingsOf(path)?.[0], path, 'the path as sent comes first')
    t.ok(readingsOf(path)?.includes(reading), `${name}: ${path} as ${reading}`)
  }
  t.equal(new Set(readingsOf('/a//%2e;b/')).size, readingsOf('/a//%2e;b/')?.length, 'each once')
  t.notOk(readingsOf('/l%256fgin')?.includes('/login'), 'nothing is decoded twice')
})

await t.test('readings are bounded, in number and in work', async (t) => {
  const hostile = [
    '/%2f;%5c%3f%23//../x%252f'.repeat(20), '//a'.repeat(5000), '/a/..;%2f'.repeat(1500), '/'.repeat(16_000),
    `/${';'.repeat(16_000)}`, '%20'.repeat(5000), '/%20'.repeat(4000), '/.'.repeat(8000), `/${'%0a'.repeat(5000)}`,
    '', 'a', '/%ff', '/%',
  ]
  for (const path of hostile) {
    const startedAt = performance.now()
    const readings = readingsOf(path)
    const tookMs = performance.now() - startedAt
    t.ok(readings === undefined || readings.length <= 512, `${path.slice(0, 30)}… has ${readings?.length} readings`)
    t.ok(tookMs < 200, `${path.slice(0, 30)}… took ${tookMs} ms`)
  }
  t.equal(readingsOf('//a'.repeat(5000)), undefined, 'more readings than any honest path has')
  t.equal(readingsOf('/%'), undefined, 'broken escapes have no reading')
  t.equal(readingsOf('a/b'), undefined, 'a path starts with a slash')
})
