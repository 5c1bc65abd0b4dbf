import { createHmac } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startBackend, until } from '../helpers/backends.js'
import { run, start } from '../helpers/process.js'

const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'
const SECRET = 'e2e-secret'

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function bearer (id: string, agent = BROWSER) {
  const signed = `${encode({ alg: 'HS256' })}.${encode({ id, exp: Math.floor(Date.now() / 1000) + 600 })}`
  const token = `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
  return { authorization: `Bearer ${token}`, 'user-agent': agent }
}

const post = (url: string, headers: Record<string, string>) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{"text":"hi"}' })

t.test('a ban is there after kill -9 and restart, and after its time it is gone', async (t) => {
  const reached: string[] = []
  const backend = await startBackend(t, (req, res) => { reached.push(req.url ?? ''); req.resume(); res.end('{}') })
  const cwd = t.testdir({ '.env': `JWT_SECRET=${SECRET}\nBAN_DURATION=6s   # short, for the test\n` })
  const env = { UPSTREAM_URL: backend.url }
  const first = await start(t, { cwd, env })
  const chat = (url: string, agent?: string) => post(`${url}/api/agents/chat/x`, bearer('ann', agent))
  const refused = await chat(first.url, 'curl/8')
  t.match(await refused.json(), { message: 'Illegal request', ban: true, ban_duration: 6000 })
  const scores = join(cwd, 'data', 'violations.json')
  await until(() => existsSync(scores), 5000)
  first.child.kill('SIGKILL')
  await first.exit
  const second = await start(t, { cwd, env })
  const banned = await chat(second.url)
  t.equal(banned.status, 403)
  const { expiresAt } = await banned.json() as { expiresAt: string }
  t.same(reached, [])
  await until(async () => (await chat(second.url)).status === 200, 10_000)
  t.ok(Date.now() >= Date.parse(expiresAt), 'not a moment early')
  const lines = (await readFile(join(cwd, 'data', 'logs.json'), 'utf8')).trim().split('\n').map((line) => JSON.parse(line) as object)
  t.match(lines[0], { v: 1, type: 'non_browser', user: 'ann', ip: '127.0.0.1', score: 20, ban: true, mode: 'enforce' })
  const kept = JSON.parse(await readFile(scores, 'utf8')) as Record<string, unknown>
  t.match(kept, { $format: 1, non_browser: { 'user:ann': { score: 20, total: 1 } } })
})

t.test('a second process on one data directory is refused; SIGTERM ends the first with 0', async (t) => {
  const backend = await startBackend(t, (_req, res) => { res.end('ok') })
  const cwd = t.testdir({})
  const env = { UPSTREAM_URL: backend.url, JWT_SECRET: SECRET, GATEWAY_PORT: '0', ADMIN_PORT: '0' }
  const first = await start(t, { cwd, env })
  const second = run(t, ['start'], { cwd, env })
  t.equal(await second.exit, 1)
  t.match(second.output(), /data directory .* in use by another/)
  first.child.kill('SIGTERM')
  t.equal(await first.exit, 0)
  t.match(first.output(), /stopped/)
})

t.test('a gateway that cannot listen exits with 1 and lets the next one in', async (t) => {
  const backend = await startBackend(t, (_req, res) => { res.end('ok') })
  const cwd = t.testdir({})
  const env = { UPSTREAM_URL: backend.url, GATEWAY_HOST: '127.0.0.1', GATEWAY_PORT: String(backend.port), ADMIN_PORT: '0' }
  const failed = run(t, ['start'], { cwd, env })
  t.equal(await failed.exit, 1)
  t.match(failed.output(), /EADDRINUSE/)
  const next = await start(t, { cwd, env: { UPSTREAM_URL: backend.url } })
  t.equal((await fetch(next.url)).status, 200)
})

t.test('without UPSTREAM_URL the demo backend is started, said, and ends with the gateway', async (t) => {
  const cwd = t.testdir({})
  const gateway = await start(t, { cwd })
  t.match(gateway.output(), /demo chat backend/)
  t.ok(await until(() => gateway.output().includes('curl -s'), 5000), 'with what to try')
  const page = await fetch(gateway.url, { headers: { accept: 'text/html' } })
  t.equal(page.status, 200)
  const { upstream } = JSON.parse(gateway.output().split('\n').find((line) => line.includes('is running')) ?? '{}') as { upstream: string }
  gateway.child.kill('SIGKILL')
  await gateway.exit
  await until(() => fetch(upstream).then(() => false, () => true), 10_000)
})

t.test('a changed policy file applies without a restart; a bad one is refused with all its errors', async (t) => {
  const backend = await startBackend(t, (_req, res) => { res.end('ok') })
  const cwd = t.testdir({ config: { 'portcullis.yaml': 'preset: generic\n' } })
  const policy = join(cwd, 'config', 'portcullis.yaml')
  const gateway = await start(t, { cwd, env: { UPSTREAM_URL: backend.url } })
  const status = async () => (await fetch(`${gateway.url}/x`)).status
  t.equal(await status(), 200)
  await writeFile(policy, 'preset: generic\ndeny: { addresses: [127.0.0.1] }\n')
  await until(async () => await status() === 403, 10_000)
  await writeFile(policy, 'preset: generic\nlimitters: {}\nmode: enforcing\n')
  await until(() => gateway.output().includes('the last good one stays'), 10_000)
  t.match(gateway.output(), /portcullis.yaml:2:1 limitters: .*did you mean \\"limiters\\"/)
  t.match(gateway.output(), /portcullis.yaml:3:7 mode: /)
  t.equal(await status(), 403, 'the last good one stays')
})

t.test('check and explain answer 0; a bad configuration and a wrong line answer 2', async (t) => {
  const cwd = t.testdir({ 'bad.yaml': 'limiters: { loginIp: { max: minus } }\n', 'librechat.yaml': 'rateLimits: { stt: { userMax: 3 } }\n' })
  const check = run(t, ['check'], { cwd, env: { JWT_SECRET: SECRET, LOGIN_MAX: '3   # fewer' } })
  t.equal(await check.exit, 0)
  t.match(check.output(), /loginIp +│ ip +│ 3 +│ 5m/)
  t.match(check.output(), /sttUser +│ user +│ 3 +│ 1m/)
  const bad = run(t, ['check', 'bad.yaml'], { cwd, env: { BAN_DURATION: 'two hours' } })
  t.equal(await bad.exit, 2)
  t.match(bad.output(), /bad.yaml:1:29 limiters.loginIp.max: found "minus", expected a whole number/)
  t.match(bad.output(), /BAN_DURATION: found "two hours", expected .*silently use its default/)
  const explain = run(t, ['explain', 'POST', '/api//AGENTS/chat/x'], { cwd, env: { JWT_SECRET: SECRET } })
  t.equal(await explain.exit, 0)
  t.match(explain.output(), /messageIp: 40 per 1m by ip/)
  t.match(explain.output(), /concurrency messages: 2 in flight/)
  t.equal(await run(t, ['explain', 'POST'], { cwd }).exit, 2)
  const misspelt = run(t, ['chek'], { cwd })
  t.equal(await misspelt.exit, 2)
  t.match(misspelt.output(), /unknown command 'chek'[^]*Did you mean check/)
  t.equal(await run(t, ['start', '--workers', '2'], { cwd }).exit, 2)
  t.equal(await run(t, ['frobnicate'], { cwd }).exit, 2)
  t.equal(await run(t, ['--help'], { cwd }).exit, 0)
})

t.test('portcullis bans lists, adds and lifts through the admin listener', async (t) => {
  const backend = await startBackend(t, (_req, res) => { res.end('ok') })
  const cwd = t.testdir({})
  const gateway = await start(t, { cwd, env: { UPSTREAM_URL: backend.url, JWT_SECRET: SECRET } })
  const env = { PORTCULLIS_ADMIN_URL: gateway.admin }
  const bans = async (...args: string[]) => {
    const command = run(t, ['bans', ...args], { cwd, env })
    return { code: await command.exit, text: command.output() }
  }
  t.equal((await bans('add', 'user:ann', '2h', '--note', 'spam')).code, 0)
  t.match((await bans()).text, /user:ann/)
  t.equal((await fetch(gateway.url, { headers: bearer('ann') })).status, 403)
  t.equal((await bans('lift', 'user:ann')).code, 0)
  t.equal((await fetch(gateway.url, { headers: bearer('ann') })).status, 200)
  t.same(JSON.parse((await bans('--json')).text), { bans: [] })
  t.equal((await bans('add', 'user:ann', '90')).code, 2, 'a duration wants a unit')
})
