import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { startBackend } from '../helpers/backends.js'
import { JWT_REFRESH_SECRET, JWT_SECRET, startProduct, testClock, type TestClock } from '../helpers/product.js'
import { asJson } from './helpers.js'
import { json, startIssuer } from './issuer.js'

const BEARER = '"header:authorization:bearer"'
/** As the librechat preset has it, and a limiter that tells people apart. */
const POLICY = `version: 1
preset: generic
identity:
  - { from: ${BEARER}, jwt: { algorithms: [HS256], secret: "\${JWT_SECRET}", claim: id } }
  - from: ${BEARER}
    enabled: "\${OPENID_REUSE_TOKENS:-false}"
    jwt: { discovery: "\${OPENID_ISSUER}", audience: ["\${OPENID_CLIENT_ID}", "\${OPENID_CLIENT_ID}-org-*"] }
    alias: { from: "cookie:openid_user_id", jwt: { algorithms: [HS256], secret: "\${JWT_REFRESH_SECRET}", claim: id } }
  - { from: "cookie:refreshToken", jwt: { algorithms: [HS256], secret: "\${JWT_REFRESH_SECRET}", claim: id } }
  - { from: ${BEARER}, apiKey: { pattern: "^sk-" } }
  - { from: address, guest: true, enabled: "\${ALLOW_GUEST_CHAT:-false}" }
limiters:
  verify: { key: user, anonymous: skip, max: 2, window: 5m, violation: logins, score: 20 }
routes:
  - match: POST /api/auth/2fa/verify-temp
    limit: [verify]
    identity: [{ from: "body:/tempToken", jwt: { algorithms: [HS256], secret: "\${JWT_SECRET}", claim: userId } }]
`
const denying = (...ids: string[]) => `${POLICY}deny: { users: ${JSON.stringify(ids)} }\n`
const inAnHour = Math.floor(Date.now() / 1000) + 3600
const sign = (claims: object, secret = JWT_SECRET, alg = 'HS256') => {
  const text = `${asJson({ alg, typ: 'JWT' })}.${asJson({ exp: inAnHour, ...claims })}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

interface Options {
  readonly policy?: string
  readonly env?: Record<string, string>
  readonly clock?: TestClock
  readonly dataDir?: string
}

async function start (t: Test, { policy = POLICY, env = {}, clock = testClock(), ...more }: Options = {}) {
  const seen: string[] = []
  const backend = await startBackend(t, (request, response) => {
    seen.push(request.url ?? '')
    request.resume().on('end', () => json(response, {}))
  })
  const product = await startProduct(t, {
    upstream: backend.url, policy, clock, ...more, env: { GATEWAY_TRUST_PROXY: 'loopback', ...env },
  })
  let address = 0
  /** From an address of its own each time, so that only the user can be known again. */
  const ask = async (headers: Record<string, string>, path = '/chat', init: RequestInit = {}) => {
    address += 1
    const from = `198.51.${Math.floor(address / 250)}.${address % 250 + 1}`
    const answer = await fetch(product.url + path, { ...init, headers: { 'x-forwarded-for': from, ...headers } })
    await answer.arrayBuffer()
    return answer.status
  }
  return { ...product, ask, seen }
}

const bearerOf = (token: string) => ({ authorization: `Bearer ${token}` })

t.test('the access token and the refresh cookie name their user; what does not verify names nobody', async (t) => {
  const { ask } = await start(t, { policy: denying('ann') })
  t.equal(await ask(bearerOf(sign({ id: 'ann' }))), 403)
  t.equal(await ask({ cookie: `refreshToken=${sign({ id: 'ann', sessionId: 's' }, JWT_REFRESH_SECRET)}` }), 403)
  t.equal(await ask({ ...bearerOf(sign({ id: 'bob' })), cookie: `refreshToken=${sign({ id: 'ann' }, JWT_REFRESH_SECRET)}` }), 403, 'anywhere')
  const nobody = [
    sign({ id: 'ann' }, 'another'), sign({ id: 'ann' }, JWT_REFRESH_SECRET), sign({ id: 'ann', exp: 1 }), sign({ userId: 'ann', twoFAPending: true }),
    sign({ id: 'ann' }, JWT_SECRET, 'RS256'), `${asJson({ alg: 'none' })}.${asJson({ id: 'ann', exp: inAnHour })}.`, sign({ sub: 'ann' }), 'x'.repeat(6_000),
  ]
  for (const token of nobody) {
    t.equal(await ask(bearerOf(token)), 200, token.slice(0, 40))
    t.equal(await ask({ cookie: `tempToken=${token}; openid_user_id=${sign({ id: 'ann' }, JWT_REFRESH_SECRET)}` }), 200, 'reuse is off')
  }
})

t.test('36: a two-factor temp token is nobody in any place but the body of its own route', async (t) => {
  const { ask } = await start(t, { policy: denying('ann') })
  const temp = sign({ userId: 'ann', twoFAPending: true })
  const body = JSON.stringify({ tempToken: temp, token: '123456' })
  const asJsonBody = { 'content-type': 'application/json' }
  t.equal(await ask(bearerOf(temp)), 200)
  for (const name of ['refreshToken', 'openid_user_id', 'tempToken']) t.equal(await ask({ cookie: `${name}=${temp}` }), 200)
  t.equal(await ask(asJsonBody, `/chat?tempToken=${temp}`, { method: 'POST', body }), 200)
  t.equal(await ask(asJsonBody, '/api/auth/2fa/verify-temp', { method: 'POST', body }), 403)
})

t.test('there its limits, scores and bans are that user\'s, in whatever coding the body comes', async (t) => {
  const { ask, seen } = await start(t)
  const verify = (body: string | Buffer | URLSearchParams, headers: Record<string, string> = {}) =>
    ask({ 'content-type': 'application/json', ...headers }, '/api/auth/2fa/verify-temp', { method: 'POST', body })
  const said = (userId: string) => JSON.stringify({ tempToken: sign({ userId, twoFAPending: true }), token: '000000' })
  const form = (userId: string) => new URLSearchParams({ tempToken: sign({ userId }), token: '0' }).toString()
  const ways: [string, (userId: string) => Promise<number>][] = [
    ['form', (id) => verify(form(id), { 'content-type': 'application/x-www-form-urlencoded' })],
    ['gzip', (id) => verify(gzipSync(said(id)), { 'content-encoding': 'gzip' })],
    ['brotli', (id) => verify(brotliCompressSync(said(id)), { 'content-encoding': 'br' })],
    ['mark', (id) => verify('\uFEFF' + said(id))],
    ['utf16', (id) => verify(Buffer.from(said(id), 'utf16le'), { 'content-type': 'application/json; charset=utf-16le' })],
    ['member', (id) => verify(said(id), bearerOf(sign({ id: 'somebody else' })))],
  ]
  for (const [name, way] of ways) {
    t.strictSame([await verify(said(name)), await way(name), await way(name)], [200, 200, 429], name)
    t.equal(await ask(bearerOf(sign({ id: name }))), 403, 'the score of 20 banned him')
  }
  t.equal(await ask(bearerOf(sign({ id: 'somebody else' }))), 200, 'and nobody else')
  t.notMatch(seen.at(-1), /verify/)
})

t.test('bodies that are none, too large or bombs cost nothing and name nobody', async (t) => {
  const { ask, seen } = await start(t, { policy: `${POLICY}limits: { maxInspectedBody: 64KiB }\n` })
  const verify = (body: string | Buffer, headers: Record<string, string> = {}) =>
    ask({ 'content-type': 'application/json', ...headers }, '/api/auth/2fa/verify-temp', { method: 'POST', body })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const types = [{}, form, { 'content-type': 'text/plain' }, { 'content-type': 'application/json; charset=utf-7' }]
  for (const body of ['', '{', '[]', 'null', '[[[[', '{"tempToken":[]}', '{"tempToken":{"$ne":1}}', '\0', '['.repeat(15_000)]) {
    for (const headers of types) t.ok([200, 400, 415].includes(await verify(body, headers)), body.slice(0, 20))
  }
  for (const body of ['{', '[[[[', '\0', '['.repeat(15_000)]) t.equal(await verify(body), 400, 'it says to be JSON and is none')
  for (const body of ['', '[]', 'null', '{"tempToken":{"$ne":1}}']) t.equal(await verify(body), 200, 'it names nobody')
  t.equal(await verify('a=1&'.repeat(900), form), 200)
  t.equal(await verify('a=1&'.repeat(4_000), form), 413)
  t.equal(await verify('tempToken=1&tempToken=2&__proto__=3', form), 200)
  t.equal(await verify('no gzip', { 'content-encoding': 'gzip' }), 400)
  t.equal(await verify('x', { 'content-encoding': 'secret' }), 415)
  const before = seen.length
  t.equal(await verify('x'.repeat(17_000)), 413, 'a token does not take more than 16 KiB, whatever bodies with messages may')
  t.equal(await verify(gzipSync(Buffer.alloc(10_000_000))), 400, 'not said to be coded: it is no JSON')
  t.equal(await verify(gzipSync(Buffer.alloc(50_000_000)), { 'content-encoding': 'gzip' }), 413)
  t.equal(seen.length, before)
})

t.test('what a backend might read as a token is read as one, or refused', async (t) => {
  const { ask } = await start(t)
  const form = 'application/x-www-form-urlencoded'
  const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16()
  const said = (id: string) => JSON.stringify({ tempToken: sign({ userId: id, twoFAPending: true }) })
  const ways: [string, (id: string) => readonly [string | Buffer, string]][] = [
    ['brackets', (id) => [`[tempToken]=${sign({ userId: id })}`, form]],
    ['escaped brackets', (id) => [`%5BtempToken%5D=${sign({ userId: id })}`, form]],
    ['open bracket', (id) => [`tempToken[=${sign({ userId: id })}`, form]],
    ['question mark', (id) => [`?tempToken=x&tempToken=${sign({ userId: id })}`, form]],
    ['utf-16', (id) => [utf16be(said(id)), 'application/json; charset=utf-16']],
    ['utf-16 with a mark', (id) => [Buffer.concat([Buffer.from([0xfe, 0xff]), utf16be(said(id))]), 'application/json; charset=utf-16']],
    ['utf-32', (id) => [Buffer.from([...said(id)].flatMap((c) => [c.charCodeAt(0), 0, 0, 0])), 'application/json; charset=utf-32le']],
    ['utf-7', (id) => [said(id), 'application/json; charset=utf-7']],
    ['two charsets', (id) => [Buffer.from(said(id), 'utf16le'), 'application/json; x="; charset=utf-8"; charset=utf-16le']],
    ['twice', (id) => [`{"tempToken":"x",${said(id).slice(1)}`, 'application/json']],
    ['many brackets', (id) => [`{"a":"${'['.repeat(15_000)}",${said(id).slice(1)}`, 'application/json']],
  ]
  for (const [name, way] of ways) {
    const [body, type] = way(name)
    const verify = () => ask({ 'content-type': type }, '/api/auth/2fa/verify-temp', { method: 'POST', body })
    const statuses = [await verify(), await verify(), await verify(), await verify()]
    t.ok(statuses.every((status) => [400, 413, 415].includes(status)) || statuses.at(-1) !== 200, `${name}: ${statuses.join()}`)
  }
})

t.test('OpenID reuse: the signed cookie names the user, the bearer by discovery, token_provider only hints', async (t) => {
  const issuer = await startIssuer(t)
  const env = { OPENID_REUSE_TOKENS: 'true', OPENID_ISSUER: issuer.url, OPENID_CLIENT_ID: 'chat' }
  const { ask, reload } = await start(t, { env, policy: denying('local-ann') })
  const token = await issuer.sign({ aud: 'chat', sub: 'idp-ann' })
  const cookie = `token_provider=openid; openid_user_id=${sign({ id: 'local-ann' }, JWT_REFRESH_SECRET)}`
  t.equal(await ask(bearerOf(token)), 200)
  t.equal(await ask({ ...bearerOf(token), cookie }), 403)
  t.equal(await ask(bearerOf(token)), 403, 'and from then on he is known without it')
  await reload(denying('idp-ann'))
  t.equal(await ask({ ...bearerOf(token), cookie }), 403)
  for (const hint of ['openid', 'librechat', '']) t.equal(await ask({ ...bearerOf(token), cookie: `token_provider=${hint}` }), 403)
  t.equal(await ask(bearerOf(await issuer.sign({ aud: 'chat-org-x', sub: 'idp-ann' }))), 403)
  for (const wrong of [{ aud: 'other' }, { aud: 'chat-org-' }, { aud: 'chat', iss: 'https://evil.example' }, { aud: 'chat', exp: 1 }, { aud: 'chat', sub: undefined }]) {
    t.equal(await ask(bearerOf(await issuer.sign({ sub: 'idp-ann', ...wrong }))), 200, JSON.stringify(wrong))
  }
  t.strictSame([issuer.state.discoveries, issuer.state.keySets], [1, 1], 'a reload of other rules keeps the keys')
})

t.test('OpenID reuse: whoever changes his cookies is counted, blamed and banned as one person', async (t) => {
  const issuer = await startIssuer(t)
  const env = { OPENID_REUSE_TOKENS: 'true', OPENID_ISSUER: issuer.url, OPENID_CLIENT_ID: 'chat' }
  const policy = `${POLICY}  - { match: GET /limited, limit: [verify] }\n`
  const { ask, clock, dataDir, close } = await start(t, { env, policy })
  const token = await issuer.sign({ aud: 'chat', sub: 'A' })
  const asA = (cookie: string, on = ask) => on({ ...bearerOf(token), ...cookie === '' ? {} : { cookie } }, '/limited')
  const alias = (id: string) => `openid_user_id=${sign({ id }, JWT_REFRESH_SECRET)}`
  const session = (id: string) => `refreshToken=${sign({ id, sessionId: 's' }, JWT_REFRESH_SECRET)}`
  t.strictSame([await asA(alias('local-A')), await asA(alias('C1')), await asA(session('B1'))], [200, 200, 429])
  for (const cookie of [alias('local-A'), alias('C2'), session('B2'), '']) t.equal(await asA(cookie), 403, cookie.slice(0, 20))
  for (const bystander of ['C1', 'C2', 'B1', 'B2']) t.equal(await ask({ cookie: session(bystander) }), 200, bystander)
  await close()
  const again = await start(t, { env, policy, clock, dataDir })
  t.equal(await asA('', again.ask), 403, 'under both names, also in a process that never saw his alias')
  t.equal(await again.ask({ cookie: session('local-A') }), 403)
})

t.test('nobody becomes a verified user by a key that he invented', async (t) => {
  const open = 'preset: librechat\nlimiters: { messageIp: { max: 1 } }\n'
  const seen: string[] = []
  const backend = await startBackend(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    const { method = '', url = '', headers } = request
    const isApi = url.startsWith('/api/')
    if (method === 'OPTIONS') return response.writeHead(204).end()
    if (url.startsWith('/public/')) return json(response, {})
    if (!isApi) return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>')
    if (headers.authorization !== 'Bearer sk-real') response.statusCode = 401
    json(response, {})
  })
  const product = await startProduct(t, { upstream: backend.url, policy: open, env: { GATEWAY_TRUST_PROXY: 'loopback' } })
  let address = 0
  const send = async (method: string, path: string, { key, from = `198.51.100.${++address}` }: { key: string, from?: string }) => {
    const { hostname, port } = new URL(product.url)
    const asked = request({ hostname, port, method, path, headers: { ...bearerOf(key), 'x-forwarded-for': from } }).end()
    const [answer] = await once(asked, 'response') as [IncomingMessage]
    answer.resume()
    await once(answer, 'end')
    return answer.statusCode
  }
  /** Whether the key's holder is counted by himself, and not with the anonymous of an address. */
  const isKnown = async (key: string) => {
    const from = `203.0.113.${++address}`
    await send('POST', '/api/agents/v1/chat/completions', { key: 'sk-nobody', from })
    const again = await send('POST', '/api/agents/v1/chat/completions', { key, from })
    return again !== 429
  }
  const tricks = [
    ['OPTIONS', '/api/agents/v1/chat/completions'], ['OPTIONS', '/api/agents/v1/models'], ['HEAD', '/api/agents/v1/models'],
    ['GET', '/x/..%2fapi/agents/v1/models'], ['GET', '/public/..%2f..%2fapi/agents/v1/models'], ['GET', '//x/../api/agents/v1/models'], ['GET', '/API%2fagents/v1/models'], ['GET', '/api/agents/v1/models'],
  ] as const
  for (const [index, [method, path]] of tricks.entries()) {
    await send(method, path, { key: `sk-invented${index}` })
    t.match(seen.at(-1), path, 'it reached the backend')
    t.equal(await isKnown(`sk-invented${index}`), false, `${method} ${path}`)
  }
  t.equal(await isKnown('sk-real'), false)
  t.equal(await send('GET', '/api/agents/v1/models', { key: 'sk-real' }), 200)
  t.equal(await isKnown('sk-real'), true)
})

t.test('an API key is known by its hash, once the backend took it', async (t) => {
  const key = 'sk-0123456789'
  const { ask } = await start(t, { policy: denying('key:' + createHash('sha256').update(key).digest('hex')) })
  t.equal(await ask(bearerOf(key)), 200)
  t.equal(await ask(bearerOf(key)), 403)
  t.equal(await ask(bearerOf(key + 'x')), 200)
})

const GUEST = { from: '203.0.113.7', id: 'guest_' + createHash('sha256').update('203.0.113.7').digest('hex').slice(0, 32) }

t.test('a guest is known by his hashed address, unless any credential names somebody', async (t) => {
  const { ask } = await start(t, { policy: denying(GUEST.id), env: { ALLOW_GUEST_CHAT: 'true' } })
  const from = { 'x-forwarded-for': GUEST.from }
  t.equal(await ask(from), 403)
  t.equal(await ask({ ...from, authorization: 'Bearer ' }), 403)
  t.equal(await ask({ ...from, ...bearerOf(sign({ id: 'ann' })) }), 200)
  t.equal(await ask({ ...from, cookie: `refreshToken=${sign({ id: 'ann' }, JWT_REFRESH_SECRET)}` }), 200)
  t.equal(await ask({ ...from, ...bearerOf(sign({ id: 'ann', exp: 1 })) }), 200, 'a bearer that names nobody is no guest\'s')
  t.equal(await ask({ ...from, ...bearerOf(sign({ id: GUEST.id })) }), 200, 'nor does one name a guest')
  t.equal(await ask({}), 200, 'another address is another guest')
  const members = await start(t, { policy: denying(GUEST.id) })
  t.equal(await members.ask(from), 200, 'off by default')
})

t.test('a program without a browser\'s name does not get the guests of its address banned', async (t) => {
  const policy = `${POLICY}  - { match: GET /page, browserOnly: ua }\n`
  const { ask } = await start(t, { policy, env: { ALLOW_GUEST_CHAT: 'true' } })
  const from = { 'x-forwarded-for': GUEST.from }
  for (let turn = 0; turn < 3; turn += 1) t.equal(await ask({ ...from, 'user-agent': 'curl/8' }, '/page'), 403)
  t.equal(await ask({ ...from, 'user-agent': 'Mozilla/5.0 Chrome/140.0.0.0' }, '/page'), 200)
})

t.test('an issuer that is down, slow or lying takes nobody down with it', async (t) => {
  const issuer = await startIssuer(t)
  const env = { OPENID_REUSE_TOKENS: 'true', OPENID_ISSUER: issuer.url, OPENID_CLIENT_ID: 'chat' }
  const { ask, clock, log } = await start(t, { env, policy: denying('ann') })
  const token = await issuer.sign({ aud: 'chat', sub: 'ann' })
  issuer.state.answer = () => {}
  const began = performance.now()
  const others = Array.from({ length: 20 }, () => ask(bearerOf(sign({ id: 'bob' }))))
  t.equal(await ask(bearerOf(token)), 200, 'forwarded as nobody: the backend judges')
  t.ok(performance.now() - began < 5_000)
  t.strictSame(new Set(await Promise.all(others)), new Set([200]))
  issuer.state.answer = undefined
  issuer.state.document = { jwks_uri: 'http://127.0.0.2:1/jwks' }
  clock.advance(11_000)
  t.equal(await ask(bearerOf(token)), 200)
  issuer.state.document = {}
  clock.advance(11_000)
  t.equal(await ask(bearerOf(token)), 403)
  const said = log.lines.filter(({ message }) => message.includes('key set'))
  t.strictSame(said.map(({ level }) => level), ['warn', 'info'])
})
