import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import t, { type Test } from 'tap'
import type { JwtAlgorithm, JwtRules } from '../../src/identity/contract.js'
import { asJson, hmacRules, inAnHour, setUp, sign, source, START, withBearer } from './helpers.js'

interface Pair { readonly privateKey: CryptoKey, readonly jwk: JWK, readonly alg: JwtAlgorithm, readonly kid: string }

async function pairOf (alg: JwtAlgorithm, kid: string): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, jwk: { ...await exportJWK(publicKey), kid, use: 'sig' }, alg, kid }
}

/** An issuer whose answers the test decides. */
async function issuer (t: Test, keys: JWK[]) {
  const state = { keys, asked: 0, answer: undefined as ((response: ServerResponse) => void) | undefined }
  const server = createServer((_request, response) => {
    state.asked += 1
    if (state.answer !== undefined) return state.answer(response)
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: state.keys }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks?secret=hidden` }
}

const signBy = ({ privateKey, alg, kid }: Pair, claims: object = {}, header: object = {}) =>
  new SignJWT({ sub: '42', exp: inAnHour, ...claims }).setProtectedHeader({ alg, kid, ...header }).sign(privateKey)

function follow (url: string, algorithms: JwtAlgorithm[] = ['RS256'], part: Partial<JwtRules> = {}) {
  const room = setUp([source({ jwt: hmacRules({ algorithms, secret: undefined, jwks: url, claim: 'sub', ...part }) })])
  const named = async (token: string) => (await room.identify(withBearer(token))).user?.id
  return { ...room, named }
}

const MINUTE = 60_000

t.test('tokens of every public-key family verify by the issuer\'s keys, which are fetched once', async (t) => {
  const pairs = await Promise.all((['RS256', 'PS512', 'ES256', 'ES384', 'EdDSA'] as const).map((alg) => pairOf(alg, `key-${alg}`)))
  const { state, url } = await issuer(t, pairs.map(({ jwk }) => jwk))
  const { named, identify } = follow(url, pairs.map(({ alg }) => alg))
  t.strictSame(await Promise.all(pairs.map(async (pair) => named(await signBy(pair)))), pairs.map(() => '42'))
  t.equal(state.asked, 1)
  const token = await signBy(pairs[0] as Pair)
  await named(token)
  t.notOk(identify(withBearer(token)) instanceof Promise, 'a token seen before is known at once')
})

t.test('a key that is in the set verifies nothing but its own algorithm, signature and claims', async (t) => {
  const [rsa, other, elliptic] = await Promise.all([pairOf('RS256', 'one'), pairOf('RS256', 'one'), pairOf('ES256', 'two')])
  const { url } = await issuer(t, [rsa.jwk, elliptic.jwk])
  const part = { issuer: 'https://id.example', audience: ['chat'] }
  const { named } = follow(url, ['RS256'], part)
  const right = { iss: 'https://id.example', aud: ['chat'] }
  const good = await signBy(rsa, right)
  t.equal(await named(good), '42')
  t.equal(await named(await signBy(other, right)), undefined, 'another key of the same name')
  t.equal(await named(await signBy(elliptic, right)), undefined, 'an algorithm that is not pinned')
  t.equal(await named(await signBy(rsa, { ...right, exp: START / 1000 })), undefined, 'expired')
  t.equal(await named(await signBy(rsa, { ...right, exp: undefined })), undefined, 'no exp')
  t.equal(await named(await signBy(rsa, { ...right, aud: 'another client' })), undefined)
  t.equal(await named(await signBy(rsa, { ...right, iss: 'https://evil.example' })), undefined)
  t.equal(await named(await signBy(rsa, { ...right, sub: '' })), undefined)
  const [header, payload, signature] = good.split('.') as [string, string, string]
  t.equal(await named(`${header}.${asJson({ ...right, sub: '1', exp: inAnHour })}.${signature}`), undefined, 'another payload')
  t.equal(await named(`${header}.${payload}.${signature}=`), '42', 'a stray sign does not hide a user')
  t.equal(await named(`${asJson({ alg: 'none', kid: 'one' })}.${payload}.`), undefined)
  for (const secret of [JSON.stringify(rsa.jwk), rsa.jwk.n as string]) {
    t.equal(await named(sign({ ...right, sub: '1', exp: inAnHour }, { secret, header: { kid: 'one' } })), undefined, 'the public key as an HMAC secret')
  }
})

t.test('a rotated key is found when its first token comes, and made-up key ids do not make us ask again and again', async (t) => {
  const [old, fresh] = await Promise.all([pairOf('RS256', 'old'), pairOf('RS256', 'fresh')])
  const { state, url } = await issuer(t, [old.jwk])
  const { named, time } = follow(url)
  t.equal(await named(await signBy(old)), '42')
  state.keys = [fresh.jwk]
  t.equal(await named(await signBy(fresh)), undefined, 'within the pause after the last question')
  time.now += 31_000
  const both = await Promise.all([signBy(fresh), signBy(fresh, { sub: '43' })])
  t.strictSame(await Promise.all(both.map(named)), ['42', '43'])
  t.equal(state.asked, 2, 'requests that wait for the same keys ask once')
  for (let index = 0; index < 20; index += 1) t.equal(await named(await signBy(fresh, {}, { kid: `made-up-${index}` })), undefined)
  t.equal(state.asked, 2)
  t.equal(await named(await signBy(old, { sub: '44' })), undefined, 'the old key is gone')
})

t.test('a withdrawn key does not live on in remembered tokens', async (t) => {
  const [old, fresh] = await Promise.all([pairOf('ES256', 'old'), pairOf('ES256', 'fresh')])
  const { state, url } = await issuer(t, [old.jwk])
  const { named, time } = follow(url, ['ES256'])
  const token = await signBy(old)
  t.equal(await named(token), '42')
  state.keys = [fresh.jwk]
  time.now += 5 * MINUTE
  t.equal(await named(token), '42')
  time.now += 6 * MINUTE
  await named(token)
  t.equal(await named(await signBy(fresh)), '42', 'by now the keys are renewed')
  time.now += 11 * MINUTE
  t.equal(await named(token), undefined)
})

t.test('an issuer that is away is said once, costs nobody time, and is found again', async (t) => {
  const pair = await pairOf('RS256', 'one')
  const { state, url } = await issuer(t, [pair.jwk])
  const { named, time, log } = follow(url)
  const token = await signBy(pair)
  state.answer = (response) => { response.writeHead(503).end() }
  for (let index = 0; index < 5; index += 1) t.equal(await named(token), undefined)
  t.equal(state.asked, 1, 'it is left alone for a while')
  state.answer = (response) => { response.end('{"keys": "none"}') }
  time.now += 11_000
  t.equal(await named(token), undefined)
  state.answer = (response) => { response.destroy() }
  time.now += 11_000
  t.equal(await named(token), undefined)
  t.equal(state.asked, 3)
  t.strictSame(log.lines.map(({ level }) => level), ['warn'])
  t.notMatch(log.lines[0]?.text, 'hidden')
  t.notMatch(log.lines[0]?.text, token)
  state.answer = undefined
  time.now += 11_000
  t.equal(await named(token), '42')
  t.strictSame(log.lines.map(({ level }) => level), ['warn', 'info'])
})

t.test('known keys hold while the issuer is away, for a day', async (t) => {
  const pair = await pairOf('ES256', 'one')
  const { state, url } = await issuer(t, [pair.jwk])
  const { named, time } = follow(url, ['ES256'])
  const token = (sub: string) => signBy(pair, { sub, exp: inAnHour + 30 * 86_400 })
  t.equal(await named(await token('1')), '1')
  state.answer = (response) => { response.writeHead(500).end() }
  time.now += 23 * 60 * MINUTE
  t.equal(await named(await token('2')), '2')
  time.now += 2 * 60 * MINUTE
  t.equal(await named(await token('3')), undefined)
})

t.test('an issuer that never answers does not hold a request for ever', async (t) => {
  const pair = await pairOf('RS256', 'one')
  const { state, url } = await issuer(t, [pair.jwk])
  const { named, log } = follow(url)
  state.answer = () => {}
  const began = performance.now()
  t.equal(await named(await signBy(pair)), undefined)
  t.ok(performance.now() - began < 5_000)
  t.match(log.lines[0]?.text, /cannot be fetched/)
})

t.test('while keys are renewed beside a slow issuer, known keys answer at once', async (t) => {
  const pair = await pairOf('RS256', 'one')
  const { state, url } = await issuer(t, [pair.jwk])
  const { named, time } = follow(url)
  await named(await signBy(pair))
  state.answer = () => {}
  time.now += 11 * MINUTE
  t.equal(await Promise.race([named(await signBy(pair, { sub: '7' })), new Promise((resolve) => setTimeout(resolve, 1_000, 'late'))]), '7')
})

t.test('tokens without a key id are tried by every key that fits', async (t) => {
  const [one, two, stranger] = await Promise.all([pairOf('RS256', 'one'), pairOf('RS256', 'two'), pairOf('RS256', 'three')])
  const { url } = await issuer(t, [one.jwk, two.jwk])
  const { named } = follow(url)
  t.equal(await named(await signBy(two, {}, { kid: undefined })), '42')
  t.equal(await named(await signBy(stranger, {}, { kid: undefined })), undefined)
})

t.test('keys may be fetched by a function of the caller\'s', async (t) => {
  const pair = await pairOf('ES256', 'one')
  const asked: string[] = []
  const jwt = hmacRules({ algorithms: ['ES256'], secret: undefined, jwks: 'https://id.example/jwks', claim: 'sub' })
  const { identify } = setUp([source({ jwt })], {
    fetch: async (url) => {
      asked.push(url)
      return Response.json({ keys: [pair.jwk] })
    },
  })
  t.equal((await identify(withBearer(await signBy(pair)))).user?.id, '42')
  t.strictSame(asked, ['https://id.example/jwks'])
})
