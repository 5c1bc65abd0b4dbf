import { execFile, fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { linesToTry, whatToTry } from '../../src/demo/what-to-try.js'
import { startDemo } from './demo.js'

const entry = join(import.meta.dirname, '../../src/demo/demo-process.ts')
const secrets = { JWT_SECRET: 'one', JWT_REFRESH_SECRET: 'two' }
const run = promisify(execFile)

async function startProcess (t: Test, args: readonly string[], env: NodeJS.ProcessEnv = secrets) {
  const child = fork(entry, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env: { ...process.env, ...env } })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout ?? process.stdin })
  const [line] = await once(lines, 'line') as [string]
  return { child, url: (JSON.parse(line) as { listening: string }).listening }
}

async function exitOf (child: ChildProcess): Promise<number | null> {
  const [code] = await once(child, 'exit') as [number | null]
  return code
}

t.test('the process says where it listens, logs accesses, and keeps its accounts', async (t) => {
  const folder = t.testdir({})
  const [users, log] = [join(folder, 'users.json'), join(folder, 'logs', 'access.log')]
  const args = ['--data-file', users, '--access-log', log]
  const { child, url } = await startProcess(t, args)
  t.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.equal((await fetch(`${url}/health`, { headers: { 'user-agent': 'a' } })).status, 200)
  t.equal((await fetch(`${url}/api/user`, { headers: { 'x-forwarded-for': '203.0.113.9' } })).status, 401)

  const lines = (await readFile(log, 'utf8')).trim().split('\n').map((line) => JSON.parse(line) as object)
  t.match(lines, [
    { method: 'GET', url: '/health', status: 200, userAgent: 'a' },
    { method: 'GET', url: '/api/user', status: 401, xff: '203.0.113.9' },
  ])
  child.kill('SIGTERM')
  t.equal(await exitOf(child), 0)

  const before = await readFile(users, 'utf8')
  const again = await startProcess(t, args)
  t.equal(await readFile(users, 'utf8'), before, 'the demo account is still the same one')
  again.child.kill('SIGINT')
  t.equal((await fetch(`${again.url}/health`)).status, 200, 'Ctrl-C is for the parent to act upon')
  again.child.disconnect()
  t.equal(await exitOf(again.child), 0, 'it goes with its parent')
})

t.test('the process refuses to start without secrets or with nonsense', async (t) => {
  for (const [args, env, message] of [
    [[], { JWT_SECRET: 'one', JWT_REFRESH_SECRET: '' }, /JWT_REFRESH_SECRET is missing/],
    [['--colour'], secrets, /--colour/],
  ] as const) {
    const child = fork(entry, args, { silent: true, env: { ...process.env, ...env } })
    let told = ''
    child.stderr?.on('data', (chunk: Buffer) => { told += chunk.toString() })
    t.equal(await exitOf(child), 2)
    t.match(told, message)
  }
})

t.test('the lines to try run as printed', async (t) => {
  const account = { email: 'demo@example.com', name: 'Demo', password: 'drawbridge' }
  const demo = await startDemo(t, { account, tokenDelayMs: 0 })
  const text = whatToTry({ gatewayUrl: demo.url })
  t.match(text, linesToTry({ gatewayUrl: demo.url }))
  t.match(text, account.password)

  const script = linesToTry({ gatewayUrl: demo.url, command: 'echo' }).replace(/^sleep \d+$/gm, '')
  const { stdout, stderr } = await run('sh', ['-c', script])
  t.equal(stderr, '')
  const output = stdout.trim().split('\n')
  t.match(output[0], /^attempt 1: signed in as user [0-9a-f]{24}$/)
  t.match(output[7], /^attempt 8: .*Incorrect password/)
  t.match(output[48], /^message 41: \{"streamId":/)
  t.match(output.at(-2), /^bans lift user:[0-9a-f]{24}$/)
  const sent = demo.lines.filter(({ url, status }) => url === '/api/agents/chat/demo' && status === 200)
  t.equal(sent.length, 41 + 3 + 1 + 1 + 1)
  t.equal(sent.filter(({ userAgent }) => userAgent?.startsWith('curl')).length, 1)
  const watched = demo.lines.filter(({ url }) => url.startsWith('/api/agents/chat/stream/'))
  t.ok(watched.length === 41 && watched.every(({ status }) => status === 200), 'every answer was read')
  t.notMatch(script.split('\n').filter((line) => line.startsWith('#')).join(''), /['"`()?*[\]]/, 'comments zsh can take')
})
