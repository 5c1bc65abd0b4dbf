import t from 'tap'
import { validatePattern } from '../../src/policy/route-pattern.js'
import { createRouteTable, type RouteTable } from '../../src/policy/route-table.js'
import { routeEntries } from './example-routes.js'

const namesOf = (table: RouteTable, method: string, path: string) =>
  table.match(method, path)?.entries.map(({ match }) => match)

const chat = createRouteTable(routeEntries(
  'POST /api/auth/login',
  ['POST /api/agents/chat/:endpoint', { endpoint: ['abort', 'stop'] }],
  'GET /api/agents/chat/stream/:streamId',
  'POST /api/agents/chat/steer',
  'POST /api/ask/*',
  'POST /api/ask/:endpoint/abort',
  'GET,DELETE /api/convos/:conversationId?',
  '* /oauth/*'
))
const login = ['POST /api/auth/login']
const message = ['POST /api/agents/chat/:endpoint']

await t.test('a plain path leads to its entry, with parameters as they are spelled', async (t) => {
  t.same(namesOf(chat, 'POST', '/api/auth/login'), login)
  const found = chat.match('POST', '/api/agents/chat/openAI')
  t.same(found?.entries.map(({ match }) => match), message)
  t.equal(found?.params.endpoint, 'openAI')
  t.equal(chat.match('GET', '/api/agents/chat/stream/A%2d1')?.params.streamId, 'A%2d1')
  t.equal(chat.match('POST', '/oauth/google/callback')?.params['*'], 'google/callback')
  t.same(namesOf(chat, 'GET', '/api/config'), [])
  t.same(namesOf(chat, 'POST', '/api'), [])
})

await t.test('a single entry, and none, always come as the same array', async (t) => {
  t.equal(chat.match('POST', '/api/auth/login')?.entries, chat.match('POST', '/api/auth//l%6fgin/')?.entries)
  t.equal(chat.match('POST', '/x')?.entries, chat.match('GET', '/y')?.entries)
})

await t.test('methods: lists, any, HEAD as GET, unknown ones', async (t) => {
  t.same(namesOf(chat, 'GET', '/api/auth/login'), [])
  t.same(namesOf(chat, 'DELETE', '/api/convos/1'), ['GET,DELETE /api/convos/:conversationId?'])
  t.same(namesOf(chat, 'HEAD', '/api/convos/1'), ['GET,DELETE /api/convos/:conversationId?'])
  for (const method of ['GET', 'POST', 'HEAD', 'PROPFIND', 'NONSENSE', '__proto__']) {
    t.same(namesOf(chat, method, '/oauth/x'), ['* /oauth/*'], method)
  }
  const head = createRouteTable(routeEntries('GET /a', 'HEAD /b', 'HEAD /a'))
  t.same(namesOf(head, 'HEAD', '/b'), ['HEAD /b'])
  t.same(namesOf(head, 'GET', '/b'), [])
  t.same(namesOf(head, 'HEAD', '/a'), ['GET /a'], 'equal patterns: the first')
})

await t.test('the most specific pattern wins, wherever it stands', async (t) => {
  const table = createRouteTable(routeEntries('* /*', 'GET /a/*', 'GET /a/:x', 'GET /a/b*', 'GET /a/bc', 'GET /a/:x/c', 'GET /:x/b'))
  t.same(namesOf(table, 'GET', '/a/bc'), ['GET /a/bc'])
  t.same(namesOf(table, 'GET', '/a/bd'), ['GET /a/b*'])
  t.same(namesOf(table, 'GET', '/a/bd/c'), ['GET /a/b*'])
  t.same(namesOf(table, 'GET', '/a/x'), ['GET /a/:x'])
  t.same(namesOf(table, 'GET', '/a/x/c'), ['GET /a/:x/c'])
  t.same(namesOf(table, 'GET', '/a/x/d'), ['GET /a/*'])
  t.same(namesOf(table, 'GET', '/z/b'), ['GET /:x/b'])
  t.same(namesOf(table, 'GET', '/'), ['* /*'])
  t.same(namesOf(table, 'POST', '/a/bc'), ['* /*'])
})

await t.test('equal patterns: the first, whatever its parameters are called and however it ends', async (t) => {
  const table = createRouteTable(routeEntries('GET /c/:conversationId', 'GET /c/:id/', '* /d/', 'GET /d'))
  const found = table.match('GET', '/c/7')
  t.same(found?.entries.map(({ match }) => match), ['GET /c/:conversationId'])
  t.same({ ...found?.params }, { conversationId: '7' })
  t.same(namesOf(table, 'GET', '/d'), ['* /d/'])
})

await t.test('an excluded request goes on to the next entry, equal or less specific', async (t) => {
  const table = createRouteTable(routeEntries(
    ['POST /c/:a', { a: ['stop', 'abort'] }], ['POST /c/:b', { b: ['stop'] }], ['POST /c/*', { '*': ['stop'] }], 'POST /*'
  ))
  t.same(namesOf(table, 'POST', '/c/x'), ['POST /c/:a'])
  t.same(namesOf(table, 'POST', '/c/abort'), ['POST /c/:b'])
  t.equal(table.match('POST', '/c/abort')?.params.b, 'abort')
  t.same(namesOf(table, 'POST', '/c/stop'), ['POST /*'])
  t.same(namesOf(chat, 'POST', '/api/agents/chat/abort'), [])
})

await t.test('an optional last segment is there or not', async (t) => {
  t.equal(chat.match('GET', '/api/convos')?.entries[0]?.match, 'GET,DELETE /api/convos/:conversationId?')
  t.equal(chat.match('GET', '/api/convos')?.params.conversationId, undefined)
  t.equal(chat.match('GET', '/api/convos/5')?.params.conversationId, '5')
  t.same(namesOf(chat, 'GET', '/api/convos/5/6'), [])
  t.same(namesOf(createRouteTable(routeEntries('GET /:page?')), 'GET', '/'), ['GET /:page?'])
})

await t.test('no spelling escapes', async (t) => {
  const spellings = [
    '/API/Auth/LOGIN', '/api/auth/login/', '/api/auth/login//', '/api//auth/login', '//api/auth/login', '/api/./auth/login',
    '/api/x/../auth/login', '/api/%2E%2e/api/auth/login', '/api/auth/l%6fgin', '/%61%70%69/auth/login', '/api%2fauth%2Flogin',
    '/api;a=1/auth;b/login;c', '/api/auth/login;jsession=1/x', '/api/auth/login%3bx', '/api/x/..;/auth/login', '/api/auth%5clogin',
    '//host/api/auth/login', '/api/auth/login%0a', '/api/auth/login%3fx', '/x%2f..%2fapi/auth/login', '/api//x/..//auth/login/.',
  ]
  for (const path of spellings) t.same(namesOf(chat, 'POST', path), login, path)
  t.equal(namesOf(createRouteTable(routeEntries('GET /api/task')), 'GET', '/api/tas%E2%84%AA')?.length, 1, 'the Kelvin sign is a k')
  t.equal(namesOf(createRouteTable(routeEntries('GET /api/task')), 'GET', '/api/ta%C5%BFk')?.length, 1, 'the long s is an s')
  t.equal(namesOf(chat, 'POST', `/api/ask/${'x'.repeat(5000)}`)?.length, 1, 'nor does a long one')
  t.same(namesOf(chat, 'POST', '/%61pi/agents/chat/%C4%B0'), message, 'nor a letter that grows in lower case')
  t.ok(namesOf(chat, 'POST', '/api/ask/%C4%B0/abort')?.includes('POST /api/ask/*'), 'nor one that loses find-my-way\'s place')
})

await t.test('a decoded reading is taken literally', async (t) => {
  const table = createRouteTable(routeEntries('GET /a/:x', 'GET /b%20c', 'GET /d/%41::e', 'GET /caf%C3%A9', 'GET /f%2Fg/:x'))
  for (const path of ['/a/%3Fb', '/a/%23b', '/a/%2525', '/a/b%25', '/a/%253f', '/a/%3aid', '/a/%2a']) {
    t.same(namesOf(table, 'GET', path), ['GET /a/:x'], path)
  }
  t.same(namesOf(table, 'GET', '/b%20c'), ['GET /b%20c'])
  t.same(namesOf(table, 'GET', '/%62%20c'), ['GET /b%20c'])
  t.same(namesOf(table, 'GET', '/d/A:e'), ['GET /d/%41::e'])
  t.same(namesOf(table, 'GET', '/d/A%3Ae'), ['GET /d/%41::e'])
  t.same(namesOf(table, 'GET', '/f%2Fg/1'), ['GET /f%2Fg/:x'])
  t.same(namesOf(table, 'GET', '/%66%2fg/1'), ['GET /f%2Fg/:x'])
  t.same(namesOf(table, 'GET', '/caf%c3%a9'), ['GET /caf%C3%A9'])
})

await t.test('an exclusion holds only if every reading agrees', async (t) => {
  t.same(namesOf(chat, 'POST', '/api/agents/chat/abort'), [])
  t.same(namesOf(chat, 'POST', '/API/Agents/chat/abort'), [], 'letter case elsewhere does not matter')
  t.same(namesOf(chat, 'POST', '/api/agents/chat/abort/'), [])
  for (const path of ['x/../abort', './stop', '/stop']) {
    t.same(namesOf(chat, 'POST', `/api/agents/chat/${path}`), [], `${path}: no reading leads to the entry`)
  }
  for (const value of ['ABORT', '%61bort', 'abort;x', 'abort%20', 'abort%2f', 'stop%3fx', 'stop%0a']) {
    t.same(namesOf(chat, 'POST', `/api/agents/chat/${value}`), message, value)
  }
  t.same(namesOf(chat, 'POST', '/API/agents/chat/ABORT'), message, 'a router that minds case in an app that does not')
})

await t.test('an entry with fewer checks holds only if every reading agrees', async (t) => {
  t.same(namesOf(chat, 'POST', '/api/ask/x/abort'), ['POST /api/ask/:endpoint/abort'])
  t.same(namesOf(chat, 'POST', '/API/ask/x/abort'), ['POST /api/ask/:endpoint/abort'])
  const both = ['POST /api/ask/:endpoint/abort', 'POST /api/ask/*']
  for (const path of ['/api/ask/x/ABORT', '/api/ask/x/%61bort', '/api/ask/x//abort', '/api/ask/x/abort;y', '/API/ask/x/ABORT']) {
    t.same(namesOf(chat, 'POST', path), both, path)
  }
  t.same(namesOf(chat, 'POST', '/api/agents/chat/STEER'), ['POST /api/agents/chat/steer', ...message])
  const found = chat.match('POST', '/api/ask/%78/%61bort')
  t.equal(found?.params.endpoint, 'x', 'parameters are those of the reading that led to the first entry')
})

await t.test('patterns that differ only in letter case are told apart', async (t) => {
  const table = createRouteTable(routeEntries('GET /a/Foo', 'GET /a/foo', 'GET /a/:x'))
  t.same(namesOf(table, 'GET', '/a/foo'), ['GET /a/Foo', 'GET /a/foo'])
  t.same(namesOf(table, 'GET', '/a/Foo'), ['GET /a/Foo'])
  t.same(namesOf(table, 'GET', '/a/FOO'), ['GET /a/Foo', 'GET /a/:x'], 'to who minds no case, the first of the two')
})

await t.test('malformed paths have no match', async (t) => {
  for (const path of ['/%', '/%ff', '', 'api/auth/login', '//a'.repeat(5000)]) t.equal(chat.match('GET', path), undefined)
  t.equal(chat.explain('GET', '/%'), undefined)
})

await t.test('explain tells where each reading leads', async (t) => {
  const explained = chat.explain('POST', '/api/agents/chat/%61bort') ?? []
  t.same(explained.map(({ reading, entries }) => [reading, entries.map(({ match }) => match)]), [
    ['/api/agents/chat/%61bort', message],
    ['/api/agents/chat/abort', []],
  ])
  t.equal(explained[0]?.params.endpoint, '%61bort')
})

await t.test('patterns are validated, with what would be right', async (t) => {
  t.same(validatePattern('POST,PUT /a/:b/c/*'), { methods: ['POST', 'PUT'], path: '/a/:b/c/*', params: ['b', '*'] })
  t.same(validatePattern('* /a/'), { methods: '*', path: '/a', params: [] })
  t.same(validatePattern('GET /a/:b?', ['b']), { methods: ['GET'], path: '/a/:b?', params: ['b'] })
  const mistakes: [string, RegExp, string[]?][] = [
    ['', /METHOD/], ['/a', /METHOD/], ['GET', /METHOD/], ['GET /a b', /METHOD/], ['get /a', /^GET$/], ['GTE /a', /HTTP method/],
    ['GET,* /a', /HTTP method/], ['CONNECT /a', /forwarded/], ['TRACE /a', /forwarded/], ['GET a', /starts with \//],
    ['GET *', /starts with \//], ['GET /a/*/b', /wildcard only/], ['GET /a*b', /wildcard only/], ['GET /%2a', /wildcard only/],
    ['GET /:a?/b', /query/], ['GET /a?', /parameter as optional/], ['GET /a?b=c', /query/], ['GET /a#b', /#/],
    ['GET /:id(\\d+)', /backslash/], ['GET /:id([0-9])', /fill a segment/], ['GET /:a-:b', /fill a segment/],
    ['GET /a:b', /fill a segment/], ['GET /:', /fill a segment/], ['GET /a//b', /empty segments/], ['GET /a/../b', /dot segments/],
    ['GET /%zz', /escapes/], ['GET /:a/:a', /twice/], [`GET ${'/a'.repeat(31)}`, /30 segments/],
    ['GET /a/:b', /a parameter of \/a\/:b: b/, ['c']], ['GET /a', /no parameters/, ['c']],
  ]
  for (const [match, expected, unless] of mistakes) {
    const found = validatePattern(match, unless)
    t.match('expected' in found ? found.expected : 'accepted', expected, match)
  }
})

await t.test('a path is certain when every backend reads it as the one entry that it leads to', async (t) => {
  const certain = ['/api/agents/chat/openAI', '/api/agents/chat/steer']
  for (const path of certain) t.equal(chat.isCertain('POST', path), true, path)
  const not = [
    '/api/agents/chat/abort', '/api/other', '/', '/x/..%2fapi/agents/chat/openAI', '//x/../api/agents/chat/openAI', '/api/agents/chat/openAI/',
    '/api//agents/chat/openAI', '/api/agents/chat/open%41I', '/API/agents/chat/openAI', '/api/Agents/chat/steer', '/api/agents/chat/openAI;x', '', 'x',
  ]
  for (const path of not) t.equal(chat.isCertain('POST', path), false, path)
  t.equal(chat.isCertain('PUT', '/api/agents/chat/openAI'), false)
})
