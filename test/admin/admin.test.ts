import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadAdminTokens } from '../../src/admin/admin.js'
import { createTokenCheck, parseTokenList } from '../../src/admin/admin-token.js'
import { banOf, HOUR, T0 } from '../bans/ban-rig.js'
import { bookingOf, breachFor, leaseOf, takeOf } from '../contract/limiters.js'
import { infractionOf, messageOf, tooManyOf } from '../contract/suspensions.js'
import { READ, startAdmin, WRITE } from './admin-rig.js'

const ISO = (at: number) => new Date(at).toISOString()

t.test('probes and metrics need no token, everything else does, whether it exists or not', async (t) => {
  const { ask, log, metrics } = await startAdmin(t)
  metrics.violation('logins')
  t.match(await ask('/livez', { token: null }), { status: 200, json: { status: 'ok' } })
  t.match(await ask('/readyz', { token: null }), { status: 200, json: { status: 'ready' } })
  const scraped = await ask('/metrics', { token: null })
  t.match(scraped, { status: 200, headers: { 'content-type': /^text\/plain/ }, text: /portcullis_violations_total\{type="logins"\} 1/ })
  for (const path of ['/api/v1/bans', '/openapi.json', '/nothing', '/', '/livez/', '/LIVEZ', '/livez%2f..%2fapi', '//livez', '/metrics/x']) {
    const answer = await ask(path, { token: null })
    t.match(answer, { status: 401, headers: { 'www-authenticate': 'Bearer', 'cache-control': 'no-store' } }, path)
    t.match(answer.headers['content-type'], /^application\/problem\+json/)
  }
  t.match(await ask('/nothing'), { status: 404, json: { status: 404, title: 'Not Found' } })
  t.equal((await ask('/livez', { token: null, method: 'POST' })).status, 401)
  t.equal(log.lines.filter((line) => line.level === 'error').length, 0)
})

t.test('only the whole token opens, and a read token changes nothing', async (t) => {
  const { ask, bans } = await startAdmin(t)
  await bans.place([banOf('user:42')])
  for (const token of ['', 'x', WRITE.slice(0, -1), `${WRITE}x`, WRITE.toUpperCase(), `${WRITE} ${READ}`, 'ü', '\t']) {
    t.equal((await ask('/api/v1/bans', { token })).status, 401, JSON.stringify(token))
  }
  for (const authorization of [WRITE, `Basic ${WRITE}`, `bearer${WRITE}`, `Bearer ${'x'.repeat(5000)}`]) {
    t.equal((await ask('/api/v1/bans', { token: null, headers: { authorization } })).status, 401, authorization.slice(0, 30))
  }
  t.equal((await ask('/api/v1/bans', { token: null, headers: { authorization: `bearer ${WRITE}` } })).status, 200)
  t.equal((await ask('/api/v1/bans', { token: READ })).status, 200)
  t.match(await ask('/api/v1/bans/user:42', { token: READ, method: 'DELETE' }), { status: 403, json: { detail: /may look/ } })
  t.equal((await ask('/api/v1/bans', { token: READ, method: 'POST', body: { user: '7', duration: '2h' } })).status, 403)
  t.equal(bans.size, 1)
})

t.test('a Host that is not ours is refused, whatever the token: a rebound name of somebody else\'s site', async (t) => {
  const { ask, port } = await startAdmin(t)
  const hosts = {
    200: [`127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST', '[::1]:1', '127.9.9.9', 'admin.example.org', 'ADMIN.example.org:1', 'other.example.org:9090'],
    421: ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example', 'other.example.org', '10.0.0.1',
      'a@127.0.0.1', '127.0.0.1:80:80', '2130706433', '[::2]', ' '],
  }
  for (const [status, list] of Object.entries(hosts)) {
    for (const host of list) t.equal((await ask('/livez', { headers: { host } })).status, Number(status), host)
  }
  const answer = await ask('/api/v1/bans', { headers: { host: 'evil.example', origin: 'http://evil.example' } })
  t.match(answer, { status: 421, json: { detail: /ADMIN_ALLOWED_HOSTS/ } })
  t.equal(answer.headers['access-control-allow-origin'], undefined)
  const preflight = await ask('/api/v1/bans', { method: 'OPTIONS', token: null, headers: { origin: 'http://evil.example' } })
  t.equal(preflight.status, 401)
  t.equal(preflight.headers['access-control-allow-origin'], undefined, 'no CORS')
})

t.test('readyz says why the gateway is not ready', async (t) => {
  const { ask, health } = await startAdmin(t)
  health.register('bans', () => ({ status: 'degraded', reason: '3 bans are not yet on disk' }))
  t.match(await ask('/readyz', { token: null }), { status: 200, json: { status: 'degraded', checks: { bans: { reason: /3 bans/ } } } })
  health.register('upstream', () => ({ status: 'failed', reason: 'does not answer' }))
  t.match(await ask('/readyz', { token: null }), { status: 503, json: { status: 'not ready', checks: { upstream: { reason: 'does not answer' } } } })
  t.equal((await ask('/livez', { token: null })).status, 200)
})

t.test('bans are listed as the contract shows them', async (t) => {
  const { ask, bans } = await startAdmin(t)
  await bans.place([
    banOf('user:42', { linked: ['ip:203.0.113.9'], note: 'spared' }),
    banOf('ip:203.0.113.0/24', { createdAt: T0 - 1, expiresAt: null, source: 'admin', violation: 'manual', score: 0 }),
  ])
  t.same((await ask('/api/v1/bans')).json, {
    bans: [
      {
        subject: 'user:42',
        violation: 'message_limit',
        score: 20,
        createdAt: ISO(T0),
        expiresAt: ISO(T0 + 2 * HOUR),
        source: 'auto',
        linked: ['ip:203.0.113.9'],
        note: 'spared',
      },
      {
        subject: 'ip:203.0.113.0/24',
        violation: 'manual',
        score: 0,
        createdAt: ISO(T0 - 1),
        expiresAt: null,
        source: 'admin',
        linked: [],
        note: null,
      },
    ],
    next: null,
  })
  const subjects = async (query: string) => ((await ask(`/api/v1/bans?${query}`)).json?.['bans'] as { subject: string }[]).map((ban) => ban.subject)
  t.same(await subjects('user=42'), ['user:42'])
  t.same(await subjects('ip=203.0.113.77'), ['ip:203.0.113.0/24'])
  t.same(await subjects('ip=192.0.2.1'), [])
  await bans.place(Array.from({ length: 120 }, (_, i) => banOf(`user:n${i}`)))
  const first = (await ask('/api/v1/bans')).json as { bans: unknown[], next: string }
  const second = (await ask(`/api/v1/bans?cursor=${first.next}`)).json as { bans: unknown[], next: null }
  t.same([first.bans.length, second.bans.length, second.next], [100, 22, null])
  for (const query of ['ip=rubbish', 'cursor=!', 'user=', 'unknown=1', 'ip=1.2.3.4&ip=5.6.7.8']) {
    t.equal((await ask(`/api/v1/bans?${query}`)).status, 400, query)
  }
})

t.test('an operator bans a user, an address, an IPv6 network and a CIDR', async (t) => {
  const { ask, bans, clock, log } = await startAdmin(t)
  const post = (body: object) => ask('/api/v1/bans', { method: 'POST', body })
  const answer = await post({ user: '42', duration: '2h', note: 'spam' })
  t.match(answer, { status: 201, headers: { location: '/api/v1/bans/user%3A42' } })
  t.same(answer.json, {
    subject: 'user:42', violation: 'manual', score: 0, createdAt: ISO(T0), expiresAt: ISO(T0 + 2 * HOUR), source: 'admin', linked: [], note: 'spam',
  })
  t.equal(bans.find([{ id: '42' }], '', T0)?.subject, 'user:42', 'in force at once')
  t.match(await post({ ip: '203.0.113.9', duration: 'forever' }), { status: 201, json: { subject: 'ip:203.0.113.9', expiresAt: null } })
  t.match(await post({ ip: '10.1.2.3/8', duration: '90m' }), { status: 201, json: { subject: 'ip:10.0.0.0/8' } })
  t.match(await post({ ip: '2001:db8::5', duration: '1d' }), { status: 201, json: { subject: 'ip:2001:db8::/64' } })
  t.match(await post({ ip: '2001:db8::5/128', duration: '1d' }), { status: 201, json: { subject: 'ip:2001:db8::5' } })
  t.match(await post({ ip: '::ffff:192.0.2.1', duration: '1d' }), { status: 201, json: { subject: 'ip:192.0.2.1' } })
  t.match(await post({ ip: '127.0.0.1', duration: '1d' }), { status: 201 }, 'bans never hold here, so nobody locks himself out')
  t.equal((await ask('/api/v1/bans')).status, 200)
  t.match(log.lines.find((line) => line.message === 'audit'), {
    level: 'info', who: 'admin', what: 'ban.add', subject: 'user:42', duration: '2h', note: 'spam', at: ISO(T0),
  })
  t.match(await post({ user: '42', duration: '1h' }), { status: 201, json: { expiresAt: ISO(T0 + 2 * HOUR) } }, 'never shortened')
  clock.advance(2 * HOUR)
  t.equal((await ask('/api/v1/bans/user:42', { method: 'DELETE' })).status, 404, 'it has ended')
})

t.test('a ban that cannot be meant is refused with the reason', async (t) => {
  const { ask, bans, log } = await startAdmin(t, { exemptUsers: ['admin'], exemptAddresses: ['192.0.2.0/24'] })
  const post = (body: object | string, headers = {}) => ask('/api/v1/bans', { method: 'POST', body, headers })
  const mistakes: [object, number, RegExp][] = [
    [{ user: '42' }, 400, /duration/],
    [{ user: '42', duration: '120' }, 400, /unit/],
    [{ user: '42', duration: 120 }, 400, /duration must be string/],
    [{ user: '42', duration: '0h' }, 400, /unit/],
    [{ user: 42, duration: '2h' }, 400, /user must be string/],
    [{ user: '', duration: '2h' }, 400, /user/],
    [{ user: 'x'.repeat(513), duration: '2h' }, 400, /user/],
    [{ duration: '2h' }, 400, /either user or ip/],
    [{ user: '42', ip: '1.2.3.4', duration: '2h' }, 400, /either user or ip/],
    [{ ip: '1.2.3', duration: '2h' }, 400, /IPv4 or IPv6/],
    [{ ip: '010.0.0.1', duration: '2h' }, 400, /IPv4 or IPv6/],
    [{ ip: '1.2.3.4/33', duration: '2h' }, 400, /IPv4 or IPv6/],
    [{ ip: '0.0.0.0/0', duration: '2h' }, 400, /everybody/],
    [{ ip: '::/0', duration: '2h' }, 400, /everybody/],
    [{ ip: '::ffff:0:0/96', duration: '2h' }, 400, /everybody/],
    [{ user: '42', duration: '2h', typo: 1 }, 400, /additional properties/],
    [{ user: 'admin', duration: '2h' }, 409, /exempt/],
    [{ ip: '192.0.2.9', duration: '2h' }, 409, /exempt/],
    [[], 400, /object/],
  ]
  for (const [body, status, detail] of mistakes) {
    const answer = await post(body)
    t.match(answer, { status, json: { status, detail } }, JSON.stringify(body).slice(0, 60))
    t.match(answer.headers['content-type'], /^application\/problem\+json/)
  }
  t.equal((await post('{"user":', { 'content-type': 'application/json' })).status, 400)
  t.equal((await post('user=42&duration=2h', { 'content-type': 'text/plain' })).status, 415, 'what a form of another site could send')
  t.equal((await post('user=42&duration=2h', { 'content-type': 'application/x-www-form-urlencoded' })).status, 415)
  t.equal((await post({ user: '42', duration: '2h', note: 'x'.repeat(20_000) })).status, 413)
  t.equal((await post('{"__proto__":{"user":"42"},"duration":"2h"}', { 'content-type': 'application/json' })).status, 400)
  t.equal(bans.size, 0)
  t.equal(log.lines.filter((line) => line.message === 'audit').length, 0)
})

t.test('lifting frees the person: the ban, the addresses it took along, and the scores', async (t) => {
  const { ask, bans, stores, log } = await startAdmin(t)
  const score = async (subject: string) => (await stores.scores.list(subject)).map((record) => record.score)
  const lift = (path: string) => ask(`/api/v1/bans/${path}`, { method: 'DELETE' })
  const placeBoth = async () => {
    await bans.place([banOf('user:42', { linked: ['ip:203.0.113.9'] }), banOf('ip:203.0.113.9', { linked: ['user:42'] })])
    await stores.scores.reset('user:42')
    await stores.scores.book({
      id: randomUUID(), now: T0,
      breach: { type: 'message_limit', subject: 'user:42', score: 19, interval: 20, scope: 'type', ttlMs: null, shadow: false },
    })
  }
  await placeBoth()
  t.match(await lift('user%3A42'), { status: 204, text: '' })
  t.equal(bans.size, 0)
  t.same(await score('user:42'), [0])
  t.match(log.lines.find((line) => line.what === 'ban.lift'), { who: 'admin', subject: 'user:42', lifted: ['user:42', 'ip:203.0.113.9'] })
  t.match(await lift('user:42'), { status: 404, json: { detail: /no ban of user:42/ } })
  await placeBoth()
  t.equal((await lift('user:42?linked=false&keepScore=true')).status, 204)
  t.ok(bans.get('ip:203.0.113.9'))
  t.same(await score('user:42'), [19])

  await bans.place([banOf('ip:10.0.0.0/8'), banOf('ip:2001:db8::/64'), banOf('user:a/b?c#d é'), banOf(`user:${'ü'.repeat(300)}`)])
  t.equal((await lift('ip%3A10.0.0.0%2F8')).status, 204)
  t.equal((await lift('ip:2001:db8::77')).status, 204, 'by any address of the network')
  t.equal((await lift(encodeURIComponent('user:a/b?c#d é'))).status, 204)
  t.equal((await lift(encodeURIComponent(`user:${'ü'.repeat(300)}`))).status, 204)
  for (const path of ['42', 'ip:rubbish', 'group:x', 'user:', '%00']) t.equal((await lift(path)).status, 400, path)
  for (const path of ['user:1?linked=maybe', 'user:1?typo=true', '%ff']) t.equal((await lift(path)).status, 400, path)
})

t.test('an operator sees what is kept about somebody, and lets the suspended talk again', async (t) => {
  const { ask, stores, bans, addressUsers, clock, log } = await startAdmin(t)
  const nobody = {
    subject: 'user:4/2', scores: [], suspension: null, infractionLevel: 0, messagesTotal: 0, lastMessageAt: null, bans: [], leases: [],
  }
  t.same((await ask('/api/v1/subjects/user:4%2F2', { token: READ })).json, nobody)

  const { message } = infractionOf(T0)
  await stores.suspensions.note(messageOf(T0))
  await stores.suspensions.suspend(infractionOf(T0, { severity: 1 }))
  await stores.scores.book(bookingOf(breachFor(), T0))
  await stores.leases.take(takeOf(leaseOf('a', { takenAt: T0 }), 1, { now: T0 }))
  await bans.place([banOf('user:42')])
  t.same((await ask('/api/v1/subjects/user:42')).json, {
    subject: 'user:42',
    scores: [{ type: 'message_limit', score: 1, total: 1, updatedAt: ISO(T0), scoreExpiresAt: ISO(T0 + HOUR) }],
    suspension: { reason: 'content', until: ISO(T0 + HOUR / 4), message },
    infractionLevel: 2,
    messagesTotal: 1,
    lastMessageAt: ISO(T0),
    bans: (await ask('/api/v1/bans')).json?.['bans'],
    leases: [{ rule: 'messages', takenAt: ISO(T0), expiresAt: ISO(T0 + HOUR / 12) }],
  })

  const lift = (subject: string, token = WRITE) => ask(`/api/v1/suspensions/${subject}`, { method: 'DELETE', token })
  t.equal((await lift('user:42', READ)).status, 403)
  t.equal((await lift('user:42')).status, 204)
  t.equal(await stores.suspensions.find('user:42', T0), undefined)
  t.match(await lift('user:42'), { status: 404, json: { detail: /not suspended/ } })
  t.match((await ask('/api/v1/subjects/user:42')).json, { suspension: null, infractionLevel: 2, messagesTotal: 1 })
  t.same(log.lines.filter((line) => line.message === 'audit').map(({ what, who, subject, at }) => ({ what, who, subject, at })), [
    { what: 'suspension.lift', who: 'admin', subject: 'user:42', at: ISO(T0) },
  ])

  await stores.suspensions.suspend(tooManyOf(T0, { subject: 'ip:2001:db8::/64' }))
  await bans.place([banOf('ip:2001:db8::/32')])
  addressUsers.seen('ip:2001:db8::/64', 'anna', T0)
  addressUsers.seen('ip:2001:db8::/64', 'olga', T0)
  t.match((await ask('/api/v1/subjects/ip:2001:db8::7')).json, {
    subject: 'ip:2001:db8::/64', suspension: { reason: 'rate' }, bans: [{ subject: 'ip:2001:db8::/32' }], users: ['anna', 'olga'],
  })
  t.equal((await lift('ip:2001:db8::9')).status, 204, 'any address of the network names it')
  await stores.suspensions.suspend(tooManyOf(T0, { subject: 'user:7' }))
  clock.advance(HOUR)
  t.equal((await lift('user:7')).status, 404, 'it is over')
  for (const subject of ['42', 'user:', 'ip:', 'ip:rubbish', 'group:7', 'global']) {
    t.equal((await ask(`/api/v1/subjects/${subject}`)).status, 400, subject)
    t.equal((await lift(subject)).status, 400, subject)
  }
})

t.test('the API describes itself in OpenAPI 3.1', async (t) => {
  const { ask } = await startAdmin(t)
  const { json } = await ask('/openapi.json', { token: READ })
  t.match(json, {
    openapi: '3.1.0',
    info: { version: '1.2.3' },
    paths: {
      '/livez': { get: { security: [] } },
      '/api/v1/bans': { get: { responses: { 200: {} } }, post: { requestBody: {}, responses: { 201: {}, 409: {} } } },
      '/api/v1/bans/{subject}': { delete: { parameters: Array, responses: { 204: {}, 404: {} } } },
      '/api/v1/subjects/{subject}': { get: { parameters: Array, responses: { 200: {}, 400: {} } } },
      '/api/v1/suspensions/{subject}': { delete: { parameters: Array, responses: { 204: {}, 404: {} } } },
    },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  })
})

t.test('a failure of ours is told to the log, not to the caller', async (t) => {
  const { ask, log, metrics } = await startAdmin(t)
  metrics.add({ kind: 'gauge', name: 'portcullis_odd', help: 'Odd', read: () => { throw new Error('s3cret detail') } })
  const answer = await ask('/metrics')
  t.equal(answer.status, 500)
  t.notMatch(answer.text, /s3cret/)
  t.match(log.lines.find((line) => line.level === 'error'), { err: { message: 's3cret detail' } })
})

t.test('a token is made at the first start, kept private, and stays', async (t) => {
  const dataDir = join(t.testdir(), 'data')
  const sources = { token: undefined, listFile: undefined, dataDir }
  const first = await loadAdminTokens(sources)
  const [made] = first.tokens
  const file = join(dataDir, 'admin-token')
  t.match(first, { madeIn: file, tokens: [{ name: 'admin', scope: 'write', token: /^[\w-]{43}$/ }] })
  t.equal((await stat(file)).mode & 0o777, 0o600)
  t.equal((await readFile(file, 'utf8')).trim(), made?.token)
  await chmod(file, 0o644)
  t.same(await loadAdminTokens(sources), first)
  t.equal((await stat(file)).mode & 0o777, 0o600, 'made private again')
  await writeFile(file, '\n')
  t.not((await loadAdminTokens(sources)).tokens[0]?.token, '', 'an empty file opens nothing')
  t.match(await loadAdminTokens({ ...sources, token: 'mine' }), { madeIn: undefined, tokens: [{ name: 'admin', token: 'mine' }] })
  const blocked = join(t.testdir(), 'blocked')
  await mkdir(join(blocked, 'admin-token'), { recursive: true })
  await t.rejects(loadAdminTokens({ ...sources, dataDir: blocked }))
})

t.test('named tokens come from a file, and all its mistakes are told at once', async (t) => {
  const dir = t.testdir({ list: '# who may\nolga write olga-0123456789abcdef\nviewer read viewer-0123456789abcdef # screen\n\n' })
  const { tokens, madeIn } = await loadAdminTokens({ token: undefined, listFile: join(dir, 'list'), dataDir: dir })
  t.equal(madeIn, undefined)
  const check = createTokenCheck(tokens)
  t.same(check('olga-0123456789abcdef'), { name: 'olga', scope: 'write' })
  t.same(check('viewer-0123456789abcdef'), { name: 'viewer', scope: 'read' })
  t.equal(check(''), undefined)
  t.throws(() => parseTokenList('a\nb own s3cret-0123456789abc\nc read short\nd read d-0123456789abcdef x\ne read e-0123456789abcdef\ne read f-0123456789abcdef', 'list'), {
    message: /list:1 .*\n.*list:2 .*\n.*list:3 .*\n.*list:4 .*\n.*list:6 /,
  })
  t.throws(() => parseTokenList('b own s3cret-0123456789abc', 'list'), { message: /^(?!.*s3cret)/s })
  t.throws(() => parseTokenList('# nobody', 'list'), /names nobody/)
})
