import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand } from '../../src/cli/cli.js'
import { startAdmin, WRITE } from '../admin/admin-rig.js'
import { banOf, HOUR, T0 } from '../bans/ban-rig.js'
import { sink } from './sink.js'

/** Runs a line as the process would, with its exit codes: 2 for wrong usage, 1 for a failure at work. */
async function run (line: readonly string[], env: Record<string, string>, cwd = '/nowhere') {
  const [out, err] = [sink(), sink()]
  const code = await runCommand({ argv: ['bans', ...line], env, cwd, stdout: out.stream, stderr: err.stream })
  return { code, out: out.text(), err: err.text() }
}

async function startCli (t: Test, rules: Parameters<typeof startAdmin>[1] = {}) {
  const rooms = await startAdmin(t, rules)
  const env = { PORTCULLIS_ADMIN_URL: `http://127.0.0.1:${rooms.port}`, ADMIN_TOKEN: WRITE }
  return { ...rooms, env, cli: (...line: string[]) => run(line, env) }
}

t.test('bans are listed as a table for people and as JSON for programs', async (t) => {
  const { bans, cli } = await startCli(t)
  t.match(await cli(), { code: 0, out: 'Nobody is banned.\n', err: '' })
  await bans.place([
    banOf('user:42', { linked: ['ip:203.0.113.9'], note: 'evil\u001b[2J\u202enote' }),
    banOf('ip:203.0.113.0/24', { expiresAt: null, source: 'admin', violation: 'manual' }),
  ])
  for (const line of [[], ['list']]) {
    const { code, out } = await cli(...line)
    t.equal(code, 0)
    t.match(out, /user:42 .*message_limit .*2026-11-21 12:00 UTC .*2026-11-21 14:00 UTC .*auto .*ip:203\.0\.113\.9/)
    t.match(out, /ip:203\.0\.113\.0\/24 .*manual .*for ever .*admin/)
    t.notOk(out.includes('\u001b') || out.includes('\u202e'), 'nothing that steers the terminal')
  }
  t.notMatch((await cli('list', '--user', '42')).out, /203\.0\.113\.0\/24/)
  t.match((await cli('list', '--ip', '203.0.113.7')).out, /203\.0\.113\.0\/24/)
  const { out } = await cli('--json')
  t.match(JSON.parse(out), { bans: [{ subject: 'ip:203.0.113.0/24', expiresAt: null }, { subject: 'user:42' }] })
  await bans.place(Array.from({ length: 230 }, (_, i) => banOf(`user:n${i}`)))
  t.equal(JSON.parse((await cli('list', '--json')).out).bans.length, 232, 'every page')
})

t.test('bans are added and lifted', async (t) => {
  const { bans, cli, stores } = await startCli(t)
  t.match(await cli('add', 'user:42', '2h', '--note', 'spam'), { code: 0, out: 'user:42 is banned until 2026-11-21 14:00 UTC\n' })
  t.match(bans.get('user:42'), { source: 'admin', note: 'spam', expiresAt: T0 + 2 * HOUR })
  t.match(await cli('add', '--ip', '203.0.113.0/24', 'forever'), { code: 0, out: 'ip:203.0.113.0/24 is banned for ever\n' })
  t.match(await cli('add', '198.51.100.7', '90m'), { code: 0, out: /^ip:198\.51\.100\.7 is banned until/ })
  t.match(await cli('add', '--user', '7', '--duration', '1d'), { code: 0 })
  t.match(JSON.parse((await cli('add', 'user:8', '1h', '--json')).out), { subject: 'user:8', expiresAt: '2026-11-21T13:00:00.000Z' })
  t.equal(bans.size, 5)

  await stores.scores.book({
    id: randomUUID(), now: T0,
    breach: { type: 'logins', subject: 'user:42', score: 5, interval: 20, scope: 'type', ttlMs: null, shadow: false },
  })
  t.match(await cli('lift', 'user:42', '--keep-score'), { code: 0, out: 'user:42 is no longer banned\n' })
  t.match(await stores.scores.list('user:42'), [{ score: 5 }])
  t.match(await cli('lift', '--user', '7'), { code: 0 })
  t.match(await cli('lift', '203.0.113.0/24', '--json'), { code: 0, out: '{"lifted":"ip:203.0.113.0/24"}\n' })
  await bans.place([banOf('user:42', { linked: ['ip:1.1.1.1'] }), banOf('ip:1.1.1.1', { linked: ['user:42'] })])
  t.match(await cli('lift', 'user:42', '--no-linked'), { code: 0 })
  t.ok(bans.get('ip:1.1.1.1'))
  t.match(await stores.scores.list('user:42'), [{ score: 0 }])
  t.match(await cli('lift', 'user:42'), { code: 1, err: /no ban of user:42/ })
})

t.test('wrong usage ends with 2 and says what was expected', async (t) => {
  const { bans, cli } = await startCli(t, { exemptUsers: ['admin'] })
  const lines: [string[], RegExp][] = [
    [['add', 'user:42'], /duration: found "", expected a duration with a unit/],
    [['add', 'user:42', '120'], /found "120", expected a duration with a unit/],
    [['add', 'nonsense', '2h'], /found "nonsense", expected user:<id>/],
    [['add', 'user:1', '2h', '--ip', '1.2.3.4', '--duration', '2h'], /one/],
    [['add', '--user', '1', '--ip', '1.2.3.4', '2h'], /found 2 subjects, expected one/],
    [['add', '0.0.0.0/0', 'forever'], /everybody/],
    [['lift'], /subject/],
    [['list', '--ip', 'rubbish'], /IPv4 or IPv6/],
    [['list', '--nonsense'], /unknown option/],
  ]
  for (const [line, err] of lines) t.match(await cli(...line), { code: 2, out: '', err }, line.join(' '))
  t.equal(bans.size, 0)
  t.match(await cli('add', 'user:admin', '2h'), { code: 1, err: /exempt/ }, 'right usage, refused by the policy')
  t.match(await cli('--help'), { code: 0, out: /list.*add.*lift.*PORTCULLIS_ADMIN_URL/s })
})

t.test('a gateway that is not there, and a token that is not right, are told apart', async (t) => {
  const { env, port } = await startCli(t)
  t.match(await run([], { ...env, ADMIN_TOKEN: 'wrong' }), { code: 1, err: /does not accept this admin token/ })
  const dir = t.testdir({ data: { 'admin-token': `${WRITE}\n` }, mine: WRITE })
  const local = { ADMIN_HOST: '0.0.0.0', ADMIN_PORT: String(port) }
  t.match(await run([], local, dir), { code: 0 }, 'the token that the gateway keeps in ./data, and its own port')
  t.match(await run([], { ...local, DATA_DIR: 'elsewhere' }, dir), { code: 1, err: /set ADMIN_TOKEN.*elsewhere\/admin-token/ })
  t.match(await run([], { ...local, DATA_DIR: join(dir, 'data') }), { code: 0 })
  t.match(await run([], { ...local, ADMIN_TOKEN_FILE: 'mine' }, dir), { code: 0 })
  t.match(await run([], { ...env, PORTCULLIS_ADMIN_URL: 'localhost:1' }), { code: 2, err: /expected http:\/\/HOST:PORT/ })

  const other = createServer((_request, response) => { response.end('<html>') })
  await new Promise<void>((resolve) => { other.listen(0, '127.0.0.1', resolve) })
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
  t.match(await run([], { ...env, PORTCULLIS_ADMIN_URL: url }), { code: 1, err: /is this the admin listener/ })
  await new Promise((resolve) => { other.close(resolve) })
  t.match(await run([], { ...env, PORTCULLIS_ADMIN_URL: url }), { code: 1, err: /does not answer at http:\/\/127\.0\.0\.1:\d+ .*Is it running/ })
})

t.test('listener and token are found in .env as the gateway finds them', async (t) => {
  const { port } = await startCli(t)
  const wrong = 'LOGIN_MAX=lots\nUPSTREAM_URL=nonsense\n'
  const dir = t.testdir({
    '.env': `ADMIN_TOKEN=${WRITE}\nADMIN_HOST=::\nADMIN_PORT=${port} # ours\n${wrong}`,
    bad: { '.env': `ADMIN_TOKEN_FILE=gone\nADMIN_PORT=ninety\n${wrong}` },
    folder: { '.env': {} },
    kept: { '.env': `ADMIN_PORT=${port}\nDATA_DIR=own\n`, own: { 'admin-token': `${WRITE}\n` } },
    far: { '.env': `PORTCULLIS_ADMIN_URL=http://127.0.0.1:${port}/\nADMIN_TOKEN_FILE=token\n`, token: WRITE },
  })
  t.match(await run([], {}, dir), { code: 0, err: '' }, 'what is wrong with limits is no matter here')
  t.match(await run([], {}, join(dir, 'kept')), { code: 0 })
  t.match(await run([], {}, join(dir, 'far')), { code: 0 })
  t.match(await run([], { ADMIN_TOKEN: 'wrong' }, dir), { code: 1, err: /does not accept/ }, 'the environment outranks it')
  t.strictSame(await run([], {}, join(dir, 'bad')), {
    code: 2,
    out: '',
    err: '.env:2:12 ADMIN_PORT: found "ninety", expected a port from 0 to 65535\n'.replace(/^/, '.env:1:18 ADMIN_TOKEN_FILE: ' +
      'found "gone" (ENOENT), expected a readable file that holds the secret\n'),
  })
  t.match(await run([], {}, join(dir, 'folder')), { code: 1, err: /^warning: \.env cannot be read: EISDIR.*\n.*no admin token/ })
})

t.test('a token is not carried to where an answer points', async (t) => {
  const seen: string[] = []
  const trap = createServer((request, response) => {
    seen.push(request.url ?? '')
    response.writeHead(307, { location: '/elsewhere' }).end()
  })
  await new Promise<void>((resolve) => { trap.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise((resolve) => { trap.close(resolve) }))
  const url = `http://127.0.0.1:${(trap.address() as AddressInfo).port}`
  t.match(await run([], { PORTCULLIS_ADMIN_URL: url, ADMIN_TOKEN: WRITE }), { code: 1 })
  t.equal(seen.length, 1)
})
