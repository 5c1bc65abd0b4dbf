import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import type { CredentialPlace, Identity, IdentityRequest, IdentitySource, KeyAnswer } from '../../src/identity/contract.js'
import { createKnownKeys } from '../../src/identity/identity.js'
import { bearer, hmacRules, inAnHour, requestWith, setUp, sign, source, START, TAKEN, tokenOf, withBearer } from './helpers.js'

const REFRESH_SECRET = 'the refresh secret'
const refreshToken = (id: string) => sign({ id, exp: inAnHour }, { secret: REFRESH_SECRET })

/** As the librechat preset has it. */
const chatSources: IdentitySource[] = [
  source({ jwt: hmacRules() }),
  source({ from: [{ in: 'cookie', name: 'refreshToken' }], jwt: hmacRules({ secret: REFRESH_SECRET }) }),
]

const at = (...from: CredentialPlace[]) => [source({ from, jwt: hmacRules() })]
const ids = (identity: Identity) => identity.users.map(({ id }) => id)
const idsOf = (sources: IdentitySource[], request: IdentityRequest) => ids(setUp(sources).identifyNow(request))

t.test('every credential is verified, and the first source that verifies names the user', async (t) => {
  const { identifyNow } = setUp(chatSources)
  const both = identifyNow(requestWith([['Cookie', `a=1; refreshToken=${refreshToken('cookie')}`], ['Authorization', `Bearer ${tokenOf('header')}`]]))
  t.equal(both.user?.id, 'header')
  t.strictSame(ids(both), ['header', 'cookie'])
  const stale = identifyNow(requestWith([['Authorization', `Bearer ${sign({ id: 'x', exp: 1 })}`], ['Cookie', `refreshToken=${refreshToken('cookie')}`]]))
  t.equal(stale.user?.id, 'cookie', 'one that does not verify says nothing')
  const same = identifyNow(requestWith([['Authorization', `Bearer ${tokenOf('1')}`], ['Cookie', `refreshToken=${refreshToken('1')}`]]))
  t.strictSame(ids(same), ['1'], 'each user once')
  t.strictSame(ids(identifyNow(withBearer(refreshToken('1')))), [], 'a token counts in its own place only')
  t.match(identifyNow(requestWith()), { user: undefined, users: [], group: undefined })
})

t.test('a bearer token is found as backends find it', async (t) => {
  const token = tokenOf('1')
  for (const value of [`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token}`, `Bearer\t${token}`, ` Bearer ${token} `, `Bearer ${token} more`, `Basic eDp5, Bearer ${token}`]) {
    t.strictSame(idsOf(at(bearer), requestWith([['authorization', value]])), ['1'], value.slice(0, 20))
  }
  for (const value of ['Bearer', 'Bearer ', token, `Basic ${token}`, `Bearer${token}`, `Token Bearer ${token}`, '']) {
    t.strictSame(idsOf(at(bearer), requestWith([['authorization', value]])), [], value.slice(0, 20))
  }
  const several = requestWith([['Authorization', `Bearer ${tokenOf('1')}`], ['AUTHORIZATION', `Bearer ${tokenOf('2')}, Bearer ${tokenOf('3')}`]])
  t.strictSame(idsOf(at(bearer), several), ['1', '2', '3'])
})

t.test('cookies of one name all count, in any spelling that a backend reads', async (t) => {
  const place = at({ in: 'cookie', name: 'token' })
  const [one, two] = [tokenOf('1'), tokenOf('2')]
  t.strictSame(idsOf(place, requestWith([['Cookie', `token=${one}; x=y;token="${two}"`]])), ['1', '2'])
  t.strictSame(idsOf(place, requestWith([['Cookie', `token=${one}`], ['Cookie', `token=${two}`]])), ['1', '2'])
  t.strictSame(idsOf(place, requestWith([['Cookie', `  token = ${one.replaceAll('.', '%2E')} ;`]])), ['1'])
  t.strictSame(idsOf(place, requestWith([['Cookie', `a=token=${one}; Token=${one}; xtoken=${one}; token; token=; =${one}; token=%; token=%zz`]])), [])
  t.strictSame(idsOf(at({ in: 'cookie', name: '__proto__' }), requestWith([['Cookie', `__proto__=${one}`]])), ['1'])
  t.strictSame(idsOf(place, requestWith([['Cookie', ';=;'.repeat(5000)]])), [])
})

t.test('query and path are read decoded, and every value of a name counts', async (t) => {
  const query = (text: string) => idsOf(at({ in: 'query', name: 'token' }), requestWith([], { query: text }))
  const [one, two] = [tokenOf('1'), tokenOf('2')]
  t.strictSame(query(`a=b&token=${one}&token=${two}`), ['1', '2'])
  t.strictSame(query(`%74oken=${one.replaceAll('.', '%2e')}`), ['1'])
  for (const text of ['', 'token', 'token=', 'token=%', 'token=%ff%zz', `Token=${one}`, '&&&==&', `x=token=${one}`]) t.strictSame(query(text), [], text.slice(0, 20))
  const path = (params: IdentityRequest['params']) => idsOf(at({ in: 'path', name: 'token' }), requestWith([], { params }))
  t.strictSame(path({ token: one.replaceAll('.', '%2E') }), ['1'])
  for (const params of [{}, { token: undefined }, { token: '' }, { token: '%' }, { other: one }]) t.strictSame(path(params), [])
  t.strictSame(idsOf(at({ in: 'path', name: 'toString' }), requestWith()), [])
  t.strictSame(idsOf(at({ in: 'header', name: 'x-token', scheme: undefined }), requestWith([['X-Token', one], ['x-token', two]])), ['1', '2'])
})

t.test('more credentials than can be verified are refused as ambiguous, not let through', async (t) => {
  const { identifyNow } = setUp(chatSources)
  const cookies = (count: number) => Array.from({ length: count }, (_, index) => `refreshToken=${refreshToken(`u${index}`)}`).join('; ')
  const most = identifyNow(requestWith([['Cookie', cookies(16)]]))
  t.equal(most.users.length, 16)
  t.equal(most.ambiguous, undefined)
  const tooMany = identifyNow(requestWith([['Cookie', cookies(17)]]))
  t.match(tooMany, { ambiguous: true, user: undefined, users: [] })
  const split = identifyNow(requestWith([['Cookie', cookies(16)], ['Authorization', `Bearer ${tokenOf('1')}`]]))
  t.equal(split.ambiguous, true, 'over all places together')
  const repeated = identifyNow(requestWith([['Cookie', `refreshToken=${refreshToken('1')}; `.repeat(40)]]))
  t.strictSame([ids(repeated), repeated.ambiguous], [['1'], undefined], 'the same again is no other')
  t.equal(setUp(chatSources).identifier.identifyBody(requestWith(), tooMany, {}).ambiguous, true)
})

t.test('a header of trusted peers counts from these peers alone', async (t) => {
  const sources = [source({ from: [{ in: 'header', name: 'x-user-id', scheme: undefined }], trustedPeers: ['10.0.0.0/8', '::1'], group: [{ in: 'header', name: 'x-team', scheme: undefined }] })]
  const { identifyNow } = setUp(sources, { client: { trustedProxies: ['10.0.0.0/8'] } })
  const ask = (peer: string, ...fields: [string, string][]) => identifyNow(requestWith(fields, { peer }))
  t.match(ask('10.1.2.3', ['X-User-Id', '42'], ['X-Team', 'red']), { user: { id: '42' }, group: 'red' })
  t.equal(ask('::ffff:10.1.2.3', ['X-User-Id', '42']).user?.id, '42')
  for (const peer of ['203.0.113.9', '127.0.0.1', '', '::2']) t.match(ask(peer, ['X-User-Id', '42'], ['X-Team', 'red']), { user: undefined, users: [], group: undefined })
  t.equal(ask('203.0.113.9', ['X-Forwarded-For', '10.1.2.3'], ['X-User-Id', '42']).user, undefined, 'the socket decides, not a header')
  for (const id of ['', 'key:' + '0'.repeat(64), 'x'.repeat(300)]) t.equal(ask('10.1.2.3', ['X-User-Id', id]).user, undefined)
  t.match(ask('10.1.2.3', ['X-User-Id', 'spoofed'], ['x-user-id', '42']), { ambiguous: true, users: [] }, 'two that differ: nobody knows')
  t.equal(ask('10.1.2.3', ['X-User-Id', '42'], ['x-user-id', '42']).user?.id, '42')
  t.equal(ask('203.0.113.9', ['X-User-Id', 'a'], ['x-user-id', 'b']).ambiguous, undefined, 'strangers may write what they like')
})

const keySource = (pattern?: string) => source({ apiKey: { pattern } })
const keyId = (key: string) => `key:${createHash('sha256').update(key).digest('hex')}`

t.test('an API key is its hash, once the backend has taken it, for a day', async (t) => {
  const { identifier, identifyNow, time } = setUp([source({ jwt: hmacRules() }), keySource('^sk-')])
  const request = withBearer('sk-abc123')
  t.strictSame(ids(identifyNow(request)), [], 'nobody yet')
  identifier.confirm(request, TAKEN)
  t.strictSame(ids(identifyNow(request)), [keyId('sk-abc123')])
  t.strictSame(ids(identifyNow(withBearer('sk-abc124'))), [])
  identifier.confirm(withBearer('pk-other'), TAKEN)
  t.strictSame(ids(identifyNow(withBearer('pk-other'))), [], 'what the pattern refuses is no key')
  identifier.confirm(withBearer('sk-' + 'x'.repeat(600)), TAKEN)
  t.strictSame(ids(identifyNow(withBearer('sk-' + 'x'.repeat(600)))), [], 'nor is what is too long')
  t.strictSame(ids(identifyNow(withBearer(tokenOf(keyId('sk-abc123'))))), [], 'no token poses as a key')
  time.now += 86_400_000 - 1
  t.equal(ids(identifyNow(request)).length, 1)
  time.now += 2
  t.strictSame(ids(identifyNow(request)), [])
})

t.test('keys without a pattern are whatever is no token; several at once teach nothing', async (t) => {
  const { identifier, identifyNow } = setUp([keySource(), source({ from: [{ in: 'query', name: 'key' }], apiKey: { pattern: undefined } })])
  const token = withBearer(tokenOf('1'))
  identifier.confirm(token, TAKEN)
  t.strictSame(ids(identifyNow(token)), [])
  const two = requestWith([['Authorization', 'Bearer one']], { query: 'key=two' })
  identifier.confirm(two, TAKEN)
  t.strictSame(ids(identifyNow(two)), [], 'nobody can say which of them the backend took')
  identifier.confirm(requestWith([['Authorization', 'Bearer one']], { query: 'key=one' }), TAKEN)
  t.strictSame(ids(identifyNow(two)), [keyId('one')])
})

t.test('a key is not learnt from an answer that is given to anybody', async (t) => {
  const { identifier, identifyNow } = setUp([keySource('^sk-')])
  const request = withBearer('sk-invented')
  const html = ['text/html', 'Text/HTML; charset=utf-8', ' text/html;', 'application/xhtml+xml'].map((contentType) => ({ contentType }))
  const parts: Partial<KeyAnswer>[] = [
    { method: 'OPTIONS' }, { method: 'HEAD' }, { isCertain: false }, { status: 199 }, { status: 302 }, { status: 401 }, ...html,
  ]
  for (const part of parts) {
    identifier.confirm(request, { ...TAKEN, ...part })
    t.strictSame(ids(identifyNow(request)), [], JSON.stringify(part))
  }
  for (const contentType of ['application/json', 'text/event-stream; charset=utf-8', 'text/htmlx', undefined]) {
    const key = withBearer(`sk-${contentType}`)
    identifier.confirm(key, { ...TAKEN, contentType })
    t.equal(ids(identifyNow(key)).length, 1, contentType ?? 'none')
  }
})

t.test('known keys outlive a reload of the policy when they are handed on', async (t) => {
  const keys = createKnownKeys(() => START)
  const request = withBearer('sk-1')
  setUp([keySource()], { keys }).identifier.confirm(request, TAKEN)
  t.equal(setUp([keySource()], { keys }).identifyNow(request).user?.id, keyId('sk-1'))
  t.equal(setUp([keySource()]).identifyNow(request).user, undefined)
})

t.test('a pattern runs in linear time, whatever the client sends, and only RE2 syntax is taken', async (t) => {
  const { identifyNow, identifier } = setUp([keySource('^(a+)+$')])
  const began = performance.now()
  const hostile = withBearer('a'.repeat(511) + '!')
  identifier.confirm(hostile, TAKEN)
  t.equal(identifyNow(hostile).user, undefined)
  t.ok(performance.now() - began < 1000, 'a backtracking engine would not come back')
  for (const pattern of ['(?=a)', '(a)\\1', '[', '(', 'a**']) t.throws(() => setUp([keySource(pattern)]), pattern)
})

const updates = source({
  from: [{ in: 'body', pointer: ['message', 'from', 'id'] }, { in: 'body', pointer: ['callback_query', 'from', 'id'] }],
  secretHeader: { name: 'x-bot-secret', value: 'hush', required: false },
  group: [{ in: 'body', pointer: ['message', 'chat', 'id'] }],
})

t.test('a body is believed only with the secret in the header', async (t) => {
  const { identifier, identifyNow } = setUp([updates])
  t.equal(identifier.readsBody, true)
  t.equal(setUp(chatSources).identifier.readsBody, false)
  const ask = (fields: [string, string][], body: unknown) => {
    const request = requestWith(fields)
    return identifier.identifyBody(request, identifyNow(request), body)
  }
  const body = { message: { from: { id: 42 }, chat: { id: -100 } } }
  t.match(ask([['X-Bot-Secret', 'hush']], body), { user: { id: '42' }, users: [{ id: '42' }], group: '-100' })
  t.equal(ask([['X-Bot-Secret', 'hush']], { callback_query: { from: { id: '43' } } }).user?.id, '43')
  for (const fields of [[], [['X-Bot-Secret', 'Hush']], [['X-Bot-Secret', '']], [['X-Bot-Secret', 'hush'], ['x-bot-secret', 'wrong']],
    [['X-Bot-Secret', 'hush'], ['x-bot-secret', 'hush']], [['X-Bot-Secret', 'hush'.repeat(9000)]]] as [string, string][][]) {
    t.match(ask(fields, body), { user: undefined, users: [], group: undefined })
  }
  const proto: unknown = JSON.parse('{"__proto__":{"message":{"from":{"id":1}}}}')
  const inherited = setUp([{ ...updates, from: [{ in: 'body', pointer: ['constructor', 'name'] }] }])
  const secret = requestWith([['X-Bot-Secret', 'hush']])
  t.strictSame(ids(inherited.identifier.identifyBody(secret, inherited.identifyNow(secret), {})), [], 'own members only')
  for (const odd of [undefined, null, 1, 'x', [], {}, { message: null }, { message: { from: [] } }, { message: { from: { id: {} } } },
    { message: { from: { id: true } } }, { message: { from: { id: 1.5 } } }, proto]) t.strictSame(ids(ask([['X-Bot-Secret', 'hush']], odd)), [])
})

t.test('what the body says is added to what the head said', async (t) => {
  const inBody = source({ from: [{ in: 'body', pointer: ['tempToken'] }], jwt: hmacRules({ claim: 'userId' }) })
  const { identifier, identifyNow } = setUp([...chatSources, inBody])
  const request = withBearer(tokenOf('1'))
  const head = identifyNow(request)
  const tempToken = sign({ userId: '2', twoFAPending: true, exp: inAnHour })
  const added = identifier.identifyBody(request, head, { tempToken })
  t.equal(added.user?.id, '1')
  t.strictSame(ids(added), ['1', '2'])
  t.equal(added.client, head.client)
  t.strictSame(ids(identifier.identifyBody(request, head, { tempToken: [tempToken] })), ['1'])
  const anonymous = identifyNow(requestWith())
  t.equal(identifier.identifyBody(requestWith(), anonymous, { tempToken }).user?.id, '2')
  t.strictSame(ids(identifyNow(withBearer(tempToken))), [], '36: as a bearer it stays nobody')
})

t.test('no request, however strange, throws or names somebody', async (t) => {
  const all = [...chatSources, keySource('^sk-'), updates, ...at({ in: 'query', name: 't' }, { in: 'path', name: 't' }, { in: 'cookie', name: 't' }),
    source({ from: [{ in: 'header', name: 'x-user-id', scheme: undefined }], trustedPeers: ['10.0.0.0/8'] })]
  const { identifier, identifyNow } = setUp(all, { client: { trustedProxies: ['loopback'] } })
  const text = fc.string({ unit: 'binary', maxLength: 60 })
  const name = fc.constantFrom('authorization', 'cookie', 'x-user-id', 'x-bot-secret', 'x-forwarded-for', 'forwarded', '__proto__', 'host')
  const value = fc.oneof(text, text.map((more) => `Bearer ${more}`), text.map((more) => `refreshToken=${more}; t=${more}`))
  const request = fc.record({ fields: fc.array(fc.tuple(name, value), { maxLength: 6 }), peer: fc.oneof(text, fc.constantFrom('127.0.0.1', '', '203.0.113.9')), query: text, t: text })
  fc.assert(fc.property(request, fc.jsonValue(), ({ fields, peer, query, t }, body) => {
    const asked = requestWith(fields, { peer, query: `t=${query}`, params: { t } })
    const head = identifyNow(asked)
    identifier.confirm(withBearer('nothing'), TAKEN)
    return head.user === undefined && identifier.identifyBody(asked, head, body).user === undefined
  }), { numRuns: 400 })
})

t.test('credentials of a real request are found as its socket carries them', async (t) => {
  const { identifyNow } = setUp(chatSources)
  const seen: Identity[] = []
  const server = createServer(({ socket, headers, rawHeaders }, response) => {
    seen.push(identifyNow({ peer: socket.remoteAddress ?? '', encrypted: false, headers, rawHeaders, query: '', params: {} }))
    response.end()
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.end(`GET / HTTP/1.1\r\nHost: x\r\nauthorization: bearer ${tokenOf('1')}\r\nAuthorization: Bearer ${tokenOf('2')}\r\n` +
    `Cookie: refreshToken=${refreshToken('3')}\r\ncookie: refreshToken=${refreshToken('4')}\r\nConnection: close\r\n\r\n`)
  await once(socket.resume(), 'close')
  t.strictSame(seen.map(ids), [['1', '2', '3', '4']], 'a second field that the parser would hide is seen too')
})
