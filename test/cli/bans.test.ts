import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { Command, CommanderError } from 'commander'
import t, { type Test } from 'tap'
import { addBans } from '../../src/cli/bans.js'
import { startAdmin, WRITE } from '../admin/admin-rig.js'
import { banOf, HOUR, T0 } from '../bans/ban-rig.js'

function sink () {
  let text = ''
  const stream = new Writable({
    write (chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  return { stream, text: () => text }
}

/** Runs a line as the process would, with its exit codes: 2 for wrong usage, 1 for a failure at work. */
async function run (line: readonly string[], env: Record<string, string>, cwd = '/nowhere') {
  const [out, err] = [sink(), sink()]
  const program = new Command('portcullis').exitOverride().configureOutput({
    writeOut: (text) => { out.stream.write(text) }, writeErr: (text) => { err.stream.write(text) },
  })
  addBans(program, { env, cwd, stdout: out.stream, stderr: err.stream })
  let code = 0
  try {
    await program.parseAsync(['bans', ...line], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) code = error.exitCode === 0 ? 0 : 2
    else {
      code = 1
      err.stream.write(error instanceof Error ? error.message : String(error))
    }
  }
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

  await stores.scores.book({ type: 'logins', subject: 'user:42', score: 5, interval: 20, scope: 'type', ttlMs: null, shadow: false }, T0)
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
