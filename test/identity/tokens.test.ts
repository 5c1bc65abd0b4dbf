import { createHmac, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { SignJWT } from 'jose'
import t from 'tap'
import type { JwtRules } from '../../src/identity/contract.js'
import { createIdentifier } from '../../src/identity/identity.js'
import { asJson, hmacRules, inAnHour, memoryLog, SECRET, setUp, sign, source, START, tokenOf, withBearer } from './helpers.js'

const rooms = (part: Partial<JwtRules> = {}) => setUp([source({ jwt: hmacRules(part) })])
/** The id of the user whom a token names under these rules; undefined: nobody. */
const named = (token: string, part: Partial<JwtRules> = {}) => rooms(part).identifyNow(withBearer(token)).user?.id

t.test('a token of the backend names its user, with the e-mail that it says', async (t) => {
  t.strictSame(rooms().identifyNow(withBearer(tokenOf('64f0', { email: 'Ann@Example.COM' }))).users, [{ id: '64f0', email: 'ann@example.com' }])
  t.strictSame(rooms().identifyNow(withBearer(tokenOf('64f0', { email: ['x'] }))).user, { id: '64f0' })
  t.strictSame(rooms().identifyNow(withBearer(tokenOf('64f0', { email: 'a@b.c', email_verified: false }))).user, { id: '64f0' })
  const key = new TextEncoder().encode(SECRET)
  for (const alg of ['HS256', 'HS384', 'HS512'] as const) {
    const token = await new SignJWT({ id: 42 }).setProtectedHeader({ alg, typ: 'at+jwt', kid: 'x' }).setExpirationTime(inAnHour).sign(key)
    t.equal(named(token, { algorithms: [alg] }), '42', `${alg} as a library signs it`)
  }
})

t.test('35: alg none, a foreign algorithm, a wrong secret, an expired token and one without id are anonymous', async (t) => {
  const payload = { id: '1', exp: inAnHour }
  t.equal(named(sign(payload)), '1', 'the same, but right')
  for (const alg of ['none', 'None', 'NONE', 'nOnE', 'hs256', 'HS256 ', 'HS384', 'HS512', 'RS256', 'ES256', '', '__proto__', 'toString']) {
    t.equal(named(sign(payload, { alg })), undefined, `alg ${alg}`)
    t.equal(named(`${asJson({ alg, typ: 'JWT' })}.${asJson(payload)}.`), undefined, `alg ${alg} unsigned`)
  }
  for (const alg of [['HS256'], null, 256, { toString: 'HS256' }, undefined]) t.equal(named(sign(payload, { header: { alg } })), undefined)
  t.equal(named(sign(payload, { secret: 'another secret' })), undefined)
  t.equal(named(sign(payload, { secret: '' })), undefined)
  t.equal(named(sign({ id: '1' })), undefined, 'no exp')
  t.equal(named(sign({ exp: inAnHour })), undefined, 'no id')
  for (const exp of [START / 1000, START / 1000 - 1, 0, -1, null, String(inAnHour), [inAnHour], { $: 1 }, true]) {
    t.equal(named(sign({ id: '1', exp })), undefined, `exp ${JSON.stringify(exp)}`)
  }
  t.equal(named(sign('{"id":"1","exp":1e999}')), undefined, 'exp beyond numbers')
  t.equal(named(sign(payload, { header: { crit: ['exp'] } })), undefined, 'crit')
  t.equal(named(sign(payload, { header: { crit: ['b64'], b64: false } })), undefined, 'unencoded payload')
})

t.test('35: a public key is never a secret', async (t) => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  const make = (part: Partial<JwtRules>) => () => rooms(part)
  t.throws(make({ secret: pem }), /public key/)
  t.throws(make({ algorithms: ['RS256'], secret: pem }), /HS\*/)
  t.throws(make({ algorithms: ['HS256', 'RS256'] }), /HS\*/)
  t.throws(make({ algorithms: ['HS256'], secret: undefined, jwks: 'https://a.example/jwks' }), /HS\*/)
  t.throws(make({ jwks: 'https://a.example/jwks' }), /either/)
  t.throws(make({ secret: undefined }), /either/)
  t.throws(make({ secret: '' }), /empty/)
  t.throws(make({ algorithms: [] }), /algorithm/)
  t.throws(make({ algorithms: ['RS256'], secret: undefined, jwks: 'file:///etc/passwd' }), /URL/)
  const { identify } = setUp([source({ jwt: hmacRules({ algorithms: ['RS256'], secret: undefined, jwks: 'http://127.0.0.1:1/jwks' }) })])
  t.equal((await identify(withBearer(sign({ id: '1', exp: inAnHour }, { secret: pem })))).user, undefined, 'RS256 public key as HS256 secret')
})

t.test('36: a two-factor temp token is nobody', async (t) => {
  t.equal(named(sign({ userId: '64f0', twoFAPending: true, exp: inAnHour })), undefined)
})

t.test('exp ends a token to the millisecond, remembered or not; nbf and iat get a minute', async (t) => {
  const { identifyNow, time } = rooms()
  const request = withBearer(tokenOf('1'))
  t.equal(identifyNow(request).user?.id, '1')
  time.now = inAnHour * 1000 - 1
  t.equal(identifyNow(request).user?.id, '1')
  time.now = inAnHour * 1000
  t.equal(identifyNow(request).user, undefined)
  const now = START / 1000
  for (const name of ['nbf', 'iat']) {
    t.equal(named(tokenOf('1', { [name]: now + 60 })), '1')
    t.equal(named(tokenOf('1', { [name]: now + 61 })), undefined)
    t.equal(named(tokenOf('1', { [name]: 'now' })), undefined)
    t.equal(named(tokenOf('1', { [name]: null })), undefined)
  }
})

t.test('issuer and audience must fit when they are configured', async (t) => {
  const issuer = 'https://id.example'
  t.equal(named(tokenOf('1', { iss: issuer }), { issuer }), '1')
  t.equal(named(tokenOf('1', { iss: issuer + '/' }), { issuer }), '1', 'a trailing slash is as good as none')
  for (const iss of [undefined, null, 'https://id.example.evil', [issuer], '', 'HTTPS://ID.EXAMPLE']) t.equal(named(tokenOf('1', { iss }), { issuer }), undefined)
  const audience = ['chat', 'mobile']
  for (const aud of ['chat', ['chat'], ['other', 'mobile'], [1, 'chat']]) t.equal(named(tokenOf('1', { aud }), { audience }), '1')
  for (const aud of [undefined, 'cha', 'chat2', [], ['other'], [['chat']], { 0: 'chat' }, null]) {
    t.equal(named(tokenOf('1', { aud }), { audience }), undefined, JSON.stringify(aud))
  }
  t.equal(named(tokenOf('1', { aud: 'whatever', iss: 'whoever' })), '1', 'not looked at otherwise')
})

t.test('only what can be told apart is an id', async (t) => {
  for (const id of ['64f0c0ffee', 'a b', 'Ünï', '用户', '0', 42, 0, -1, 'x'.repeat(256), '__proto__', 'user:1']) t.equal(named(tokenOf(id)), String(id))
  for (const id of ['', null, true, [], ['1'], { $oid: '1' }, 1.5, 2 ** 53, 'x'.repeat(257), 'a\nb', 'a\0', '\u007f', 'key:' + '0'.repeat(64), 'key:']) {
    t.equal(named(tokenOf(id)), undefined, JSON.stringify(id))
  }
  t.equal(named(sign(`{"id":"\\ud800","exp":${inAnHour}}`)), undefined, 'half a character')
  t.equal(named(sign(`{"id":1e999,"exp":${inAnHour}}`)), undefined)
  const invalid = asJson({ alg: 'HS256' }) + '.' + Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xff]), Buffer.from(`","exp":${inAnHour}}`)]).toString('base64url')
  t.equal(named(`${invalid}.${createHmac('sha256', SECRET).update(invalid).digest('base64url')}`), undefined, 'not UTF-8')
})

t.test('members that every object has are no claims', async (t) => {
  for (const claim of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) t.equal(named(tokenOf('1'), { claim }), undefined, claim)
  t.equal(named(sign(`{"__proto__":{"id":"2"},"exp":${inAnHour}}`)), undefined)
  t.equal(named(sign(`{"__proto__":"2","exp":${inAnHour}}`), { claim: '__proto__' }), '2', 'but a claim of that name is one')
  t.equal(named(sign(`{"id":"1","exp":${inAnHour},"id":"2"}`)), '2', 'of repeated keys the last counts, as in the backend')
  t.equal(({} as { id?: string }).id, undefined)
})

t.test('text that is no token is nobody, however it looks', async (t) => {
  const good = tokenOf('1')
  const [header, payload, signature] = good.split('.') as [string, string, string]
  const deep = '['.repeat(50_000) + ']'.repeat(50_000)
  const bad = ['', '.', '..', '...', 'a.b.c', `${header}.${payload}`, `${header}.${payload}.`, `${good}.`, `${good}.${signature}`, `.${good}`,
    `${header}=.${payload}.${signature}`, `${header}.${payload}=.${signature}`, `${header}.${payload}.${signature.slice(0, -2)}`,
    `${header}.${payload}.${signature}AAAA`, `${header}.${asJson({ id: '2', exp: inAnHour })}.${signature}`, `${asJson(null)}.${payload}.${signature}`,
    `${asJson([])}.${payload}.${signature}`, `${asJson('HS256')}.${payload}.${signature}`, good.toUpperCase(), good.repeat(2), `${header}.${payload}.☃`,
    `${Buffer.from(deep).toString('base64url')}.${payload}.${signature}`, 'x'.repeat(2_000_000), '.'.repeat(100_000), `${header}.${'A'.repeat(70_000)}.${signature}`]
  for (const token of bad) t.equal(named(token), undefined, token.slice(0, 60))
  for (const text of [deep, `{"id":${deep},"exp":${inAnHour}}`, '[]', 'null', '"1"', '', '{', '{"id":"1"']) t.equal(named(sign(text)), undefined)
  t.equal(named(sign({ id: '1', exp: inAnHour, filler: 'x'.repeat(20_000) })), '1', 'a long one is not a bad one')
})

t.test('a signature may be spelled as the backend would take it: a stray sign does not hide a user', async (t) => {
  const [header, payload, signature] = tokenOf('1').split('.') as [string, string, string]
  const classic = signature.replaceAll('-', '+').replaceAll('_', '/')
  for (const spelling of [`${signature}=`, classic, `${classic}=`]) t.equal(named(`${header}.${payload}.${spelling}`), '1')
})

t.test('no change of a good token, and no text at all, names anybody else', async (t) => {
  const { identifyNow } = rooms()
  const good = tokenOf('1')
  const end = good.lastIndexOf('.')
  const changed = fc.tuple(fc.nat(end - 1), fc.string({ minLength: 1, maxLength: 1, unit: 'binary' })).map(([at, sign]) => good.slice(0, at) + sign + good.slice(at + 1))
  const isNobody = (token: string) => identifyNow(withBearer(token)).users.length === 0
  fc.assert(fc.property(changed, (token) => token === good || isNobody(token)), { numRuns: 500 })
  const parts = fc.array(fc.oneof(fc.base64String(), fc.json().map((text) => Buffer.from(text).toString('base64url')), fc.string({ unit: 'binary' })), { maxLength: 5 })
  fc.assert(fc.property(parts, (list) => isNobody(list.join('.'))), { numRuns: 500 })
  fc.assert(fc.property(fc.json(), (text) => isNobody(sign(text))), { numRuns: 300 })
})

t.test('tokens are not kept, written or told anywhere', async (t) => {
  const { identifyNow, log } = rooms()
  identifyNow(withBearer(tokenOf('1')))
  identifyNow(withBearer(sign({ id: '1', exp: 1 })))
  t.strictSame(log.lines, [])
})

t.test('rules that cannot work are refused before the first request', async (t) => {
  const make = (...sources: Parameters<typeof source>) => () => createIdentifier({
    client: { trustedProxies: [], addressHeader: 'x-forwarded-for', ipv6Prefix: 64 }, sources: [source(...sources)], clock: () => START, log: memoryLog(),
  })
  t.throws(make({}), /exactly one/)
  t.throws(make({ jwt: hmacRules(), apiKey: { pattern: undefined } }), /exactly one/)
  t.throws(make({ from: [{ in: 'body', pointer: ['key'] }], apiKey: { pattern: undefined } }), /body/)
  t.throws(make({ from: [{ in: 'body', pointer: ['t'] }], jwt: hmacRules({ algorithms: ['RS256'], secret: undefined, jwks: 'https://a.example' }) }), /body/)
  t.throws(make({ secretHeader: { name: 'x-secret', value: '', required: false } }), /empty/)
  t.throws(make({ trustedPeers: ['everybody'] }), /everybody/)
})
