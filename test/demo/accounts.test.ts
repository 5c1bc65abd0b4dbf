import { createHmac } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createDemoBackend } from '../../src/demo/demo-backend.js'
import { bodyOf, cookieOf, secrets, startDemo } from './demo.js'

const ada = { email: 'Ada@Example.com', name: 'Ada', password: 'correct horse' }
const minuteMs = 60_000

t.test('registering and signing in answers as LibreChat does', async (t) => {
  const demo = await startDemo(t)
  t.equal((await demo.post('/api/auth/register', ada)).status, 200)

  const login = await demo.post('/api/auth/login', { email: ' ada@example.COM ', password: ada.password })
  t.equal(login.status, 200)
  const { token, user } = await bodyOf(login) as { token: string, user: Record<string, string> }
  t.match(user, { id: /^[0-9a-f]{24}$/, email: 'ada@example.com', name: 'Ada', username: 'ada', provider: 'local' })
  t.notOk('passwordHash' in user, 'the hash stays inside')
  t.match(login.headers.getSetCookie(), [/^refreshToken=[^;]+;.*Path=\/; HttpOnly; SameSite=Strict$/])

  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  t.match(claims, { id: user['id'], username: 'ada', provider: 'local', email: 'ada@example.com' })
  t.equal(claims.exp - claims.iat, 15 * 60)
  const [head, body, signature] = token.split('.')
  t.equal(createHmac('sha256', secrets.jwtSecret).update(`${head}.${body}`).digest('base64url'), signature)

  const me = await bodyOf(demo.get('/api/user', { authorization: `Bearer ${token}` }))
  t.equal(me['id'], user['id'])
})

t.test('wrong sign-ins and registrations are told apart by message', async (t) => {
  const demo = await startDemo(t)
  await demo.post('/api/auth/register', ada)
  for (const [body, status, message] of [
    [{ ...ada, password: 'wrong' }, 404, 'Incorrect password.'],
    [{ ...ada, email: 'who@example.com' }, 404, 'Email does not exist.'],
    [{ email: ['ada@example.com'], password: ada.password }, 400, /email must be string/],
    [{ email: ada.email }, 400, /password/],
    [null, 400, /body/],
  ] as const) {
    const response = await demo.post('/api/auth/login', body)
    t.equal(response.status, status)
    t.match(await bodyOf(response), { message })
  }
  t.equal((await demo.post('/api/auth/register', { ...ada, email: 'b@example.com', password: 'short' })).status, 400)

  const taken = await demo.post('/api/auth/register', { ...ada, password: 'another one' })
  t.equal(taken.status, 200, 'a taken e-mail is not told')
  t.equal((await demo.post('/api/auth/login', { ...ada, password: 'another one' })).status, 404, 'nor taken over')

  const form = new URLSearchParams({ email: ada.email, password: ada.password })
  t.equal((await fetch(`${demo.url}/api/auth/login`, { method: 'POST', body: form })).status, 200, 'forms are read too')
})

t.test('the refresh cookie gives new access tokens until it is signed out or runs out', async (t) => {
  let now = Date.now()
  const demo = await startDemo(t, { clock: () => now })
  const { token, cookie, headers } = await demo.user('ada')
  now += 16 * minuteMs
  t.equal((await demo.get('/api/user', headers)).status, 401, 'the access token has run out')

  const refreshed = await demo.post('/api/auth/refresh', {}, { cookie: `a=b; ${cookie}` })
  const { token: next } = await bodyOf(refreshed) as { token: string }
  t.not(next, token)
  t.equal((await demo.get('/api/user', { authorization: `Bearer ${next}` })).status, 200)

  const secondCookie = cookieOf(refreshed)
  const withoutCookie = await demo.post('/api/auth/refresh', {})
  t.equal(await withoutCookie.text(), 'Refresh token not provided')
  t.equal((await demo.post('/api/auth/refresh', {}, { cookie: `refreshToken=${next}` })).status, 401,
    'an access token is no refresh token')
  t.equal((await demo.get('/api/user', { authorization: `Bearer ${cookie.split('=')[1]}` })).status, 401,
    'and the other way round')

  const out = await demo.post('/api/auth/logout', {}, { cookie: secondCookie })
  t.match(out.headers.getSetCookie(), [/^refreshToken=; Max-Age=0/])
  t.equal((await demo.post('/api/auth/refresh', {}, { cookie })).status, 401)

  const { cookie: late } = await demo.user('bob')
  now += 8 * 24 * 60 * minuteMs
  t.equal((await demo.post('/api/auth/refresh', {}, { cookie: late })).status, 401)
})

t.test('forged tokens are nobody', async (t) => {
  const demo = await startDemo(t)
  const { id } = await demo.user('ada')
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const sign = (head: string, secret: string) => createHmac('sha256', secret).update(head).digest('base64url')
  const exp = Math.floor(Date.now() / 1000) + 600
  const plain = `${encode({ alg: 'none' })}.${encode({ id, exp })}`
  const eternal = `${encode({ alg: 'HS256' })}.${encode({ id })}`
  const foreign = `${encode({ alg: 'HS256' })}.${encode({ id, exp })}`
  for (const token of [`${plain}.`, `${eternal}.${sign(eternal, secrets.jwtSecret)}`, `${foreign}.${sign(foreign, 'x')}`, '']) {
    t.equal((await demo.get('/api/user', { authorization: `Bearer ${token}` })).status, 401)
  }
  const good = `${foreign}.${sign(foreign, secrets.jwtSecret)}`
  t.equal((await demo.get('/api/user', { authorization: `Bearer ${good}` })).status, 200, 'the sound one of them passes')
})

t.test('accounts survive a restart in their file', async (t) => {
  const dataFile = join(t.testdir({}), 'deep', 'users.json')
  const account = { email: 'demo@example.com', name: 'Demo', password: 'drawbridge' }
  const first = await startDemo(t, { dataFile, account })
  const names = ['ada', 'bob', 'cid', 'dan', 'eve']
  const users = await Promise.all(names.map((name) => first.user(name)))
  t.equal((await stat(dataFile)).mode & 0o777, 0o600)
  t.notMatch(await readFile(dataFile, 'utf8'), /password of ada|drawbridge/)

  const second = await startDemo(t, { dataFile, account })
  for (const { id, headers } of users) t.equal((await bodyOf(second.get('/api/user', headers)))['id'], id)
  const again = await second.post('/api/auth/login', { email: 'ada@example.com', password: 'password of ada' })
  t.equal(again.status, 200)
  t.equal((await second.post('/api/auth/refresh', {}, { cookie: users[0]?.cookie ?? '' })).status, 200)
  const demoLogin = await bodyOf(second.post('/api/auth/login', account)) as { user: { id: string } }
  const file = JSON.parse(await readFile(dataFile, 'utf8')) as { users: Array<{ id: string, email: string }> }
  t.equal(file.users.length, names.length + 1, 'the demo account is made once')
  t.equal(file.users.find(({ email }) => email === account.email)?.id, demoLogin.user.id)

  await writeFile(dataFile, '{"users":[{"id":1}]}')
  await t.rejects(createDemoBackend({ ...secrets, clock: Date.now, dataFile }), /not a user file/)
})
