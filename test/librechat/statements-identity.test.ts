/** Reference librechat.md §10, statements 22–27 and 35–40: who calls, from where, and whether it is a browser. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { ObjectId } from 'mongodb'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { allReady } from '../e2e/stage.js'
import { startBackend } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import { JWT_REFRESH_SECRET } from '../helpers/product.js'
import { openShell } from '../stores/mongo-rig.js'
import { ask, ban, BAN_TEXT, listBans, say, setStage, statusOf, totals, type Caller } from './statements/stage.js'
import { accessToken, signed } from './statements/tokens.js'

const ann = { user: 'ann' }
const LOGIN = 'POST /api/auth/login'

t.test('22. Given login POST with a banned user\'s e-mail in other letter case, then 403 before any upstream call', async (t) => {
  const { uri } = await startMongo(t)
  const { users } = await openShell(t, uri)
  const _id = new ObjectId()
  await users.insertMany([{ _id, email: 'ann@example.com' }, { email: 'bob@example.com' }])
  const { product, chat } = await setStage(t, { mongoUri: uri })
  t.ok(await allReady([product]))
  await ban(product, _id.toHexString())
  for (const email of ['ann@example.com', 'ANN@Example.com', ' Ann@EXAMPLE.COM ']) {
    const { status, body } = await ask(product, LOGIN, { ip: '198.51.100.1' }, { email, password: 'right' })
    t.equal(status, 403, email)
    t.match(body, { message: BAN_TEXT, reason: undefined, expiresAt: undefined })
  }
  const form = 'email=ANN%40example.com&password=right'
  const types = { 'content-type': 'application/x-www-form-urlencoded' }
  const inForm = async (headers: Caller['headers'], body: string | Buffer) =>
    (await ask(product, LOGIN, { ip: '198.51.100.2', headers: { ...types, ...headers } }, body)).status
  t.equal(await inForm({}, form), 403, 'in a form too')
  t.equal(await inForm({ 'content-encoding': 'gzip' }, gzipSync(form)), 415, 'which nobody compresses')
  t.equal(chat.seen.length, 0)
  t.equal((await ask(product, LOGIN, {}, { email: 'bob@example.com', password: 'right' })).status, 200)
})

t.test('23. Given login POST with malformed/huge/non-JSON body, then no crash, IP rules still apply', async (t) => {
  const { product, chat } = await setStage(t)
  const broken = ['{"email":', `${'['.repeat(5_000)}`, 'email[]=a&email[]=b']
  const odd = ['[]', 'null', '{"email":{"$gt":""}}']
  const login = async (body: string, type = 'application/json') =>
    await ask(product, LOGIN, { headers: { 'content-type': type } }, body)
  for (const body of odd) t.equal((await login(body)).status, 404, 'the backend judges it')
  for (const body of broken) t.equal((await login(body)).status, 400, 'it is not what it says, and never gets there')
  t.equal((await login(`{"email":"${'x'.repeat(20_000)}"}`)).status, 413)
  t.equal(chat.seen.length, odd.length)
  t.equal((await login('\0\xff', 'image/png')).status, 429, 'the eighth of the address')
  t.equal((await ask(product, LOGIN, { ip: '203.0.113.2' }, { email: 'bob@example.com', password: 'right' })).status, 200)
})

t.test('24. Given no User-Agent on a guarded, authenticated route, then refused, score +20, banned at defaults; on ' +
  '/api/convos it passes (adapted: refused with 403)', async (t) => {
  const { product, chat } = await setStage(t)
  const silent = { ...ann, agent: null }
  t.equal(await statusOf(product, silent, 'GET /api/convos'), 200)
  const { status, body } = await say(product, silent)
  t.equal(status, 403)
  t.match(body, { message: 'Illegal request', type: 'non_browser', score: 20, prev_count: 0, violation_count: 20, ban: true })
  t.equal((await say(product, ann)).body['message'], BAN_TEXT)
  t.equal(chat.seen.length, 1)
})

t.test('25. Given an unauthenticated curl, then no score and upstream\'s 401 is returned (adapted: refused with 403 where ' +
  'only browsers may call, not scored; elsewhere the 401)', async (t) => {
  const { product, chat } = await setStage(t)
  const curl = { agent: 'curl/8.1' }
  for (let i = 0; i < 3; i++) {
    t.match(await say(product, curl), { status: 403, body: { message: 'Illegal request', violation_count: 0 } })
  }
  t.equal(chat.seen.length, 0)
  t.equal(await statusOf(product, curl), 401)
  t.equal((await say(product, {})).status, 401, 'nobody in a browser hears it from the backend')
  t.equal(chat.seen.length, 2)
  await product.close()
  t.strictSame(await totals(product), {})
})

t.test('26. Given okhttp UA on the allow-list, then it passes', async (t) => {
  const { product } = await setStage(t, { policy: 'exempt: { userAgents: [okhttp] }' })
  t.equal((await say(product, { ...ann, agent: 'okhttp/4.12.0' })).status, 200)
  t.equal((await say(product, { ...ann, agent: 'Dart/3.2 (dart:io)' })).status, 403, 'another is refused')
})

t.test('27. Given UA Chrome/1, then it counts as a browser (compat)', async (t) => {
  const { product } = await setStage(t)
  t.equal((await say(product, { ...ann, agent: 'Chrome/1' })).status, 200)
})

t.test('35. Given a token with alg none, RS256-signed-with-secret, wrong secret, expired, or no id, then the request is ' +
  'anonymous (never another user)', async (t) => {
  const { product } = await setStage(t)
  await ban(product, 'ann')
  const claims = { id: 'ann' }
  const forged = {
    'alg none': signed(claims, { alg: 'none' }),
    'RS256 signed with the secret': signed(claims, { alg: 'RS256' }),
    'wrong secret': signed(claims, { secret: 'guessed' }),
    'the other secret': signed(claims, { secret: JWT_REFRESH_SECRET }),
    expired: signed(claims, { exp: -1 }),
    'no expiry': signed(claims, { exp: null }),
    'no id': signed({ sub: 'ann', username: 'ann' }),
    'cut short': accessToken('ann').slice(0, -2),
  }
  for (const [name, token] of Object.entries(forged)) t.not((await say(product, { token })).status, 403, name)
  t.equal(await statusOf(product, { user: 'bob', headers: { cookie: `refreshToken=${accessToken('ann')}` } }), 200)
  t.equal((await say(product, ann)).status, 403, 'a good one names him')
  const cookie = `refreshToken=${signed(claims, { secret: JWT_REFRESH_SECRET })}`
  t.equal(await statusOf(product, { user: 'bob', headers: { cookie } }), 403, 'and so does his cookie')
})

t.test('36. Given a 2FA temp token as Bearer, then not a user (and only on its own route, in its own place, it is he)', async (t) => {
  const { product } = await setStage(t)
  await ban(product, 'ann')
  const token = signed({ userId: 'ann', twoFAPending: true })
  t.equal((await say(product, { token })).status, 401)
  const verify = 'POST /api/auth/2fa/verify-temp'
  t.equal((await ask(product, verify, { token }, { tempToken: 'x' })).status, 200)
  t.equal((await ask(product, verify, {}, { tempToken: token })).status, 403)
  t.equal((await ask(product, LOGIN, {}, { tempToken: token })).status, 404)
})

t.test('37. Given HANZO profile and a token with another client\'s aud or another iss, then not a user; with <client>-org-x, ' +
  'accepted', async (t) => {
  const [hanzo, stranger] = [await startIssuer(t), await startIssuer(t)]
  const env = { PORTCULLIS_PRESET: 'hanzo-chat', OPENID_ISSUER: `${hanzo.url}/`, OPENID_CLIENT_ID: 'chat' }
  const { product } = await setStage(t, { trusting: true, env })
  await ban(product, `${hanzo.url}|ann`)
  const status = async (token: string) =>
    (await ask(product, 'POST /v1/chat/agents/chat/openAI', { token }, { text: 'hi' })).status
  for (const aud of ['chat', 'chat-org-x', ['other', 'chat']]) t.equal(await status(await hanzo.token({ aud })), 403, String(aud))
  for (const aud of ['other', 'chat-org-', 'chat-organisation', 'xchat', ['other']]) {
    t.equal(await status(await hanzo.token({ aud })), 200, String(aud))
  }
  t.equal(await status(await stranger.token({ aud: 'chat' })), 200, 'another issuer')
  t.equal(await status(await stranger.token({ aud: 'chat', iss: hanzo.url })), 200, 'another\'s key')
})

t.test('38. Given spoofed X-Forwarded-For from an untrusted peer, then the socket address is the key', async (t) => {
  const { product, chat } = await setStage(t, { env: { GATEWAY_TRUST_PROXY: '' } })
  const login = async (caller: Caller) => await ask(product, LOGIN, caller, { email: 'ann@example.com', password: 'no' })
  for (let i = 0; i < 7; i++) t.equal((await login({ ip: `203.0.113.${i}` })).status, 404)
  t.equal((await login({ ip: '203.0.113.77', headers: { 'x-real-ip': '203.0.113.78' } })).status, 429)
  t.ok(chat.seen.every(({ headers }) => headers['x-forwarded-for'] === '127.0.0.1'))
})

t.test('39. Given 1.2.3.4:5555, ::ffff:1.2.3.4, [2001:db8::1]:443, then keys are 1.2.3.4, 1.2.3.4, 2001:db8::1 (masked)', async (t) => {
  const { product, chat } = await setStage(t, { env: { LOGIN_MAX: '0' } })
  for (const ip of ['1.2.3.4:5555', '::ffff:1.2.3.4', '[2001:db8::1]:443']) {
    t.equal((await ask(product, LOGIN, { ip }, {})).status, 429)
    await ask(product, 'GET /', { ip })
  }
  t.strictSame(chat.seen.map(({ headers }) => headers['x-forwarded-for']), ['1.2.3.4', '1.2.3.4', '2001:db8::1'])
  await product.close()
  t.match(await totals(product), { logins: { 'ip:1.2.3.4': { total: 2 }, 'ip:2001:db8::/64': { total: 1 } } })
})

t.test('40. Given two addresses in one /64 (or configured prefix), then one bucket and one ban', async (t) => {
  for (const [policy, inside, outside] of [
    ['version: 1', '2001:db8:1:2:ffff::b', '2001:db8:1:3::a'],
    ['client: { ipv6Prefix: 56 }', '2001:db8:1:ff::b', '2001:db8:1:100::a'],
  ] as const) {
    const { product } = await setStage(t, { policy, env: { MESSAGE_IP_MAX: '1' } })
    const first = { user: 'ann', ip: '2001:db8:1:2::a' }
    t.equal((await say(product, first)).status, 200)
    t.match(await say(product, { user: 'bob', ip: inside }), { status: 429, body: { limiter: 'ip' } })
    t.equal((await say(product, { user: 'eve', ip: outside })).status, 200)
    t.match((await say(product, { ...first, agent: 'curl/8' })).body, { ban: true })
    t.equal(await statusOf(product, { user: 'bob', ip: inside }), 403)
    t.equal(await statusOf(product, { user: 'eve', ip: outside }), 200)
    t.equal((await listBans(product)).filter(({ subject }) => subject.startsWith('ip:')).length, 1)
  }
})

/** An identity provider as the apps know them: RS256, discovery, a set of keys. */
async function startIssuer (t: Test) {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...await exportJWK(publicKey), kid: 'k1', alg: 'RS256', use: 'sig' }
  const { url } = await startBackend(t, (req, res) => {
    const found = req.url === '/jwks' ? { keys: [jwk] } : { issuer: url, jwks_uri: `${url}/jwks` }
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found))
  })
  const token = async ({ aud, iss = url }: { aud: string | string[], iss?: string }) =>
    await new SignJWT({ sub: 'ann' }).setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setIssuer(iss).setAudience(aud).setIssuedAt().setExpirationTime('1h').sign(privateKey)
  return { url, token }
}
