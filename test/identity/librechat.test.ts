/** Who asks, as LibreChat's and Hanzo Chat's presets have it (reference librechat.md §6). */
import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Identity, IdentityRequest, IdentitySource, JwtRules } from '../../src/identity/contract.js'
import { createAliasBook, type AliasBook } from '../../src/identity/identity.js'
import { bearer, hmacRules, inAnHour, requestWith, setUp, sign, source, START, TAKEN, tokenOf, withBearer } from './helpers.js'
import { startIssuer, type Issuer } from './issuer.js'

const REFRESH_SECRET = 'the refresh secret'
const LOCAL_ID = '64f0c0ffee64f0c0ffee64f0'
const refresh = (claims: object) => sign({ exp: inAnHour, ...claims }, { secret: REFRESH_SECRET })
const ids = (identity: Identity) => identity.users.map(({ id }) => id)
const cookie = (name: string, secret: string) => source({ from: [{ in: 'cookie', name }], jwt: hmacRules({ secret }) })

const alias = { from: [{ in: 'cookie', name: 'openid_user_id' }], jwt: hmacRules({ secret: REFRESH_SECRET }) } as const
const discovered = ({ url }: Issuer, part: Partial<JwtRules> = {}) => source({
  jwt: hmacRules({
    algorithms: ['RS256'], secret: undefined, discovery: url, issuer: url, audience: ['chat'], claim: 'sub', ...part,
  }),
})
const reusing = (issuer: Issuer) =>
  [source({ jwt: hmacRules() }), { ...discovered(issuer), alias }, cookie('refreshToken', REFRESH_SECRET)]

t.test('36: a two-factor temp token is nobody as a bearer, in any cookie, in the query', async (t) => {
  const issuer = await startIssuer(t, { now: START })
  const { identify } = setUp(reusing(issuer))
  for (const secret of [undefined, REFRESH_SECRET]) {
    const temp = sign({ userId: LOCAL_ID, twoFAPending: true, exp: inAnHour }, secret === undefined ? {} : { secret })
    const requests = [
      withBearer(temp),
      ...['refreshToken', 'openid_user_id', 'token', 'tempToken'].map((name) => requestWith([['Cookie', `${name}=${temp}`]])),
      requestWith([], { query: `token=${temp}&tempToken=${temp}` }),
    ]
    for (const request of requests) t.strictSame(ids(await identify(request)), [])
  }
  t.equal(issuer.state.discoveries, 0, 'nor is anybody asked about it')
})

t.test('OpenID reuse: the signed cookie names the local user, the bearer is verified by discovery', async (t) => {
  const issuer = await startIssuer(t, { now: START })
  const { identify } = setUp(reusing(issuer))
  const token = await issuer.sign({ aud: 'chat', sub: 'idp-7' })
  const userCookie = `openid_user_id=${refresh({ id: LOCAL_ID })}`
  const ask = async (cookies: string, authorization = `Bearer ${token}`) =>
    ids(await identify(requestWith([['Authorization', authorization], ['Cookie', cookies]])))
  t.strictSame(await ask('token_provider=openid'), ['idp-7'], 'without it he is who the issuer says')
  t.strictSame(await ask(`token_provider=openid; ${userCookie}; refreshToken=opaque-of-the-idp`), [LOCAL_ID, 'idp-7'])
  t.strictSame(await ask(userCookie, ''), [LOCAL_ID])
  t.strictSame(await ask('token_provider=openid; openid_user_id=' + LOCAL_ID, ''), [], 'an unsigned one is a claim only')
  for (const wrong of [sign({ id: LOCAL_ID, exp: inAnHour }), refresh({ sub: LOCAL_ID }), refresh({ id: LOCAL_ID, exp: 1 }), refresh({ id: '' })]) {
    t.strictSame(await ask(`openid_user_id=${wrong}`, ''), [], 'another secret, no id, expired')
  }
})

/** Requests of one bearer with what stands in his cookies: a name or two, signed as the app does it. */
async function bearerWith (t: Test, { aliases = createAliasBook() } = {}) {
  const issuer = await startIssuer(t, { now: START })
  const begin = (book: AliasBook) => {
    const { identify } = setUp(reusing(issuer), { aliases: book })
    return async (sub: string, ...names: string[]) => {
      const token = await issuer.sign({ aud: 'chat', sub, email: `${sub}@Example.org` })
      const cookies = names.map((id) => `openid_user_id=${refresh({ id })}`)
      return await identify(requestWith([['Authorization', `Bearer ${token}`], ['Cookie', cookies.join('; ')]]))
    }
  }
  return { issuer, aliases, begin, ask: begin(aliases) }
}

t.test('with an alias a user is called by it, and is the same person under both names', async (t) => {
  const { ask } = await bearerWith(t)
  t.strictSame((await ask('idp-7')).users, [{ id: 'idp-7', email: 'idp-7@example.org' }], 'none was seen yet')
  t.strictSame((await ask('idp-7', LOCAL_ID)).users, [
    { id: LOCAL_ID, email: 'idp-7@example.org', alias: 'idp-7' }, { id: 'idp-7', email: 'idp-7@example.org', alias: LOCAL_ID },
  ])
  t.strictSame(ids(await ask('same', 'same')), ['same'])
  t.equal((await ask('same')).user?.alias, undefined)
})

t.test('neither dropping the alias nor swapping it makes somebody else of him, a reload neither', async (t) => {
  const { ask, begin, aliases } = await bearerWith(t)
  t.equal((await ask('A', 'local-A')).user?.id, 'local-A')
  t.strictSame(ids(await ask('A')), ['local-A', 'A'])
  t.strictSame(ids(await ask('A', 'throwaway')), ['local-A', 'A', 'throwaway'], 'though a ban of that one counts')
  t.strictSame(ids(await ask('A', 'x', 'y', 'local-A')), ['local-A', 'A', 'x', 'y'])
  const reloaded = begin(aliases)
  t.strictSame(ids(await reloaded('A', 'other')), ['local-A', 'A', 'other'])
  t.equal((await begin(createAliasBook())('A', 'other')).user?.id, 'other', 'another process has to learn it')
  t.strictSame(ids(await ask('B')), ['B'], 'it is his alone')
})

t.test('who sends another account\'s session beside his token stays who the token says', async (t) => {
  const { issuer } = await bearerWith(t)
  const { identify } = setUp(reusing(issuer))
  const token = await issuer.sign({ aud: 'chat', sub: 'A' })
  for (const id of ['B1', 'B2']) {
    const cookies = `refreshToken=${refresh({ id, sessionId: 's' })}`
    t.strictSame(ids(await identify(requestWith([['Authorization', `Bearer ${token}`], ['Cookie', cookies]]))), ['A', id])
  }
})

t.test('an alias book is bounded, and forgets whom it has not seen for longest', async (t) => {
  const book = createAliasBook()
  t.equal(book.bind('0', undefined), undefined)
  for (let i = 0; i <= 100_000; i += 1) book.bind(String(i), { id: `u${i}` })
  t.equal(book.bind('0', undefined), undefined)
  t.equal(book.bind('1', { id: 'other' }), 'u1')
})

t.test('token_provider is a hint that decides nothing', async (t) => {
  const issuer = await startIssuer(t, { now: START })
  const { identify } = setUp(reusing(issuer))
  for (const hint of ['librechat', 'openid', '', '%00', 'openid; token_provider=librechat']) {
    const request = requestWith([['Authorization', `Bearer ${tokenOf('1')}`], ['Cookie', `token_provider=${hint}`]])
    t.strictSame(ids(await identify(request)), ['1'], hint)
    const other = requestWith([['Authorization', `Bearer ${await issuer.sign({ aud: 'chat', sub: '2' })}`], ['Cookie', `token_provider=${hint}`]])
    t.strictSame(ids(await identify(other)), ['2'], hint)
  }
})

t.test('an agent\'s API key is a hash, beside tokens of every kind', async (t) => {
  const issuer = await startIssuer(t, { now: START })
  const { identifier, identify } = setUp([...reusing(issuer), source({ apiKey: { pattern: '^sk-' } })])
  const request = withBearer('sk-0123456789abcdef')
  t.strictSame(ids(await identify(request)), [])
  identifier.confirm(request, TAKEN)
  t.strictSame(ids(await identify(request)), ['key:' + createHash('sha256').update('sk-0123456789abcdef').digest('hex')])
})

const guests = source({ from: [{ in: 'address' }], jwt: undefined, guest: true })
const guestId = (address: string) => 'guest_' + createHash('sha256').update(address).digest('hex').slice(0, 32)
const room = (...more: IdentitySource[]) => setUp([source({ jwt: hmacRules() }), ...more])

t.test('whoever is nobody is the guest of his address, where the policy says so', async (t) => {
  const { identifyNow } = room(guests)
  const anonymous = identifyNow(requestWith())
  t.strictSame(anonymous.users, [{ id: guestId('203.0.113.9'), guest: true }])
  t.equal(anonymous.user, anonymous.users[0])
  t.strictSame(ids(identifyNow(requestWith([], { peer: '::ffff:203.0.113.9' }))), [guestId('203.0.113.9')])
  for (const peer of ['2001:db8::1', '2001:db8:0:0:ffff::2']) {
    t.strictSame(ids(identifyNow(requestWith([], { peer }))), [guestId('2001:db8::/64')], 'as it is counted')
  }
  t.notSame(ids(identifyNow(requestWith([], { peer: '203.0.113.10' }))), ids(anonymous))
  t.strictSame(ids(room().identifyNow(requestWith())), [], 'not otherwise')
})

t.test('an empty bearer is a guest\'s; any other that names nobody is nobody\'s; a member is never one', async (t) => {
  const { identifyNow } = room(guests)
  const ask = (authorization: string) => identifyNow(requestWith([['Authorization', authorization]]))
  for (const empty of ['', 'Bearer', 'Bearer ', 'bearer', 'Bearer  ,', 'Basic eDp5']) {
    t.strictSame(ids(ask(empty)), [guestId('203.0.113.9')], JSON.stringify(empty))
  }
  const expired = sign({ id: '1', exp: 1 })
  for (const wrong of ['x', expired, sign({ userId: '1', exp: inAnHour }), 'null', 'undefined', 'a.b.c']) {
    t.match(ask(`Bearer ${wrong}`), { users: [], unverified: true }, wrong)
    t.match(room().identifyNow(withBearer(wrong)), { users: [], unverified: true }, 'without guests, too')
    // Not every backend reads these as a token: one that does not would serve a guest.
    for (const odd of [`bearer ${wrong}`, `Basic x, Bearer ${wrong}`, `Bearer ,Bearer ${wrong}`, `Bearer  ${wrong}`]) {
      t.strictSame(ids(ask(odd)), [guestId('203.0.113.9')], odd)
    }
    const second = requestWith([['Authorization', 'Bearer '], ['authorization', `Bearer ${wrong}`]])
    t.strictSame(ids(identifyNow(second)), [guestId('203.0.113.9')])
  }
  t.strictSame(ids(identifyNow(requestWith([['Cookie', 'refreshToken=abc; openid_user_id=x']]))), [guestId('203.0.113.9')])
  t.equal(ask(`Bearer ${tokenOf('1')}`).unverified, undefined)
  t.equal(room().identifyNow(requestWith()).unverified, undefined)
  t.strictSame(ask(`Bearer ${tokenOf('1')}`).users, [{ id: '1' }])
})

t.test('a member whose issuer is away does not use up what is meant for guests', async (t) => {
  const issuer = await startIssuer(t, { now: START })
  const { identify, time } = setUp([discovered(issuer, { qualified: true }), guests])
  const request = withBearer(await issuer.sign({ aud: 'chat', sub: '7' }))
  issuer.state.answer = (response) => { response.writeHead(503).end() }
  t.strictSame(ids(await identify(request)), [])
  t.strictSame(ids(await identify(requestWith())), [guestId('203.0.113.9')])
  issuer.state.answer = undefined
  time.now += 11_000
  t.strictSame(ids(await identify(request)), [`${issuer.url}|7`])
})

t.test('nobody can claim to be a guest, and the guest of a whole proxy there is not', async (t) => {
  const { identifyNow } = room(guests)
  t.strictSame(ids(identifyNow(withBearer(tokenOf(guestId('203.0.113.9'))))), [])
  for (const id of ['guest_1', 'guest_' + 'g'.repeat(32), 'a' + guestId('1.2.3.4')]) t.strictSame(ids(identifyNow(withBearer(tokenOf(id)))), [id])
  const proxied = requestWith([['X-Forwarded-For', '198.51.100.7']], { peer: '10.0.0.5' })
  t.strictSame(ids(identifyNow(proxied)), [], 'all who come through an undeclared proxy would be one')
  t.strictSame(ids(identifyNow(requestWith([], { peer: '' }))), [])
  const trusting = setUp([guests], { client: { trustedProxies: ['10.0.0.0/8'] } })
  t.strictSame(ids(trusting.identifyNow(proxied)), [guestId('198.51.100.7')])
})

const tempToken = (userId: string) => sign({ userId, twoFAPending: true, exp: inAnHour })
const inBody = source({ from: [{ in: 'body', pointer: ['tempToken'] }], jwt: hmacRules({ claim: 'userId' }) })

t.test('a route\'s own credentials count there, name the user first, and nowhere else', async (t) => {
  const { identifier } = room(cookie('refreshToken', REFRESH_SECRET))
  const own = [inBody, source({ from: [{ in: 'header', name: 'x-token', scheme: undefined }], jwt: hmacRules() })]
  const route = identifier.withSources(own)
  t.equal(identifier.withSources(own), route, 'made once')
  t.equal(identifier.withSources([]), identifier)
  t.strictSame([identifier.readsBody, route.readsBody], [false, true])
  const whole = (request: IdentityRequest, body: unknown, at = route) => {
    const head = at.identify(request, at.clientOf(request))
    if (head instanceof Promise) throw new Error('no key must be fetched here')
    return ids(at.identifyBody(request, head, body))
  }
  const body = { tempToken: tempToken('2') }
  t.strictSame(whole(requestWith(), body), ['2'])
  t.strictSame(whole(withBearer(tokenOf('1')), body), ['2', '1'], 'who guesses at another\'s account does not hide behind his own')
  t.strictSame(whole(requestWith([['X-Token', tokenOf('3')]]), {}), ['3'])
  t.strictSame(whole(requestWith([['X-Token', tokenOf('3')]]), body, identifier), [], 'elsewhere it is nothing')
  const values = [tokenOf('1'), [tempToken('2')], null, 1, {}]
  for (const odd of [...values.map((value) => ({ tempToken: value })), [], null, undefined, 'x']) {
    t.strictSame(whole(requestWith(), odd), [], JSON.stringify(odd))
  }
})

t.test('on a route that reads a body, a guest is one only when the body names nobody either', async (t) => {
  const { identifier } = room(guests)
  const route = identifier.withSources([inBody])
  const request = requestWith()
  const head = route.identify(request, route.clientOf(request)) as Identity
  t.strictSame(ids(head), [])
  t.strictSame(ids(route.identifyBody(request, head, { tempToken: tempToken('2') })), ['2'])
  t.strictSame(ids(route.identifyBody(request, head, {})), [guestId('203.0.113.9')])
})

t.test('sources that could be mistaken are refused before the first request', async (t) => {
  const address = { in: 'address' } as const
  for (const wrong of [
    source({ from: [bearer], guest: true }), source({ from: [address], guest: true, jwt: hmacRules() }),
    source({ from: [address, bearer], guest: true }), source({ from: [], guest: true }),
    source({ from: [address], jwt: hmacRules() }),
  ]) t.throws(() => setUp([wrong]), /guest/)
  const keys = { algorithms: ['RS256'] as const, secret: undefined }
  const bad: [Partial<JwtRules>, RegExp][] = [
    [{ discovery: 'https://id.example' }, /either/],
    [{ ...keys, discovery: 'https://id.example', jwks: 'https://id.example/jwks' }, /either/],
    [{ ...keys, algorithms: ['HS256'], discovery: 'https://id.example' }, /HS\*/],
    [{ ...keys, discovery: 'id.example' }, /issuer/],
    [{ ...keys, discovery: 'ftp://id.example' }, /issuer/],
    [{ ...keys, discovery: 'https://id.example?x=1' }, /issuer/],
    [{ qualified: true }, /issuer/],
  ]
  for (const [part, message] of bad) t.throws(() => setUp([source({ jwt: hmacRules(part) })]), message)
  const inTheBody = source({ ...inBody, jwt: hmacRules({ ...keys, discovery: 'https://id.example' }) })
  t.throws(() => setUp([inTheBody]), /secret/)
  const aliases: [Partial<IdentitySource>, RegExp][] = [
    [{ alias: { ...alias, from: [{ in: 'body', pointer: ['id'] }] } }, /in the head/],
    [{ alias: { ...alias, from: [] } }, /in the head/],
    [{ alias: { ...alias, jwt: hmacRules({ ...keys, discovery: 'https://id.example' }) } }, /by a secret/],
    [{ alias: { ...alias, jwt: hmacRules({ secret: '' }) } }, /empty/],
    [{ ...inBody, alias }, /only a jwt/],
    [{ jwt: undefined, apiKey: { pattern: undefined }, alias }, /only a jwt/],
  ]
  for (const [part, message] of aliases) t.throws(() => setUp([source({ jwt: hmacRules(), ...part })]), message)
  t.throws(() => setUp([]).identifier.withSources([inTheBody]), /secret/)
})
