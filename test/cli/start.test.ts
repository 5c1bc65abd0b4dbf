import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../../src/cli/cli.js'
import { watchPolicy } from '../../src/cli/watch-policy.js'
import { loadPolicy } from '../../src/policy/load-policy.js'
import type { Policy } from '../../src/policy/contract.js'
import { createLogger } from '../../src/telemetry/logger.js'
import { until } from '../helpers/backends.js'
import { sink } from './sink.js'

const fixtures = join(import.meta.dirname, '../upstream/fixtures')

t.test('a wrong line and a wrong setting end before anything is started, with 2 and the reason', async (t) => {
  const start = async (argv: string[], env: Record<string, string> = {}) => {
    const [out, err] = [sink(), sink()]
    const code = await runCommand({ argv: ['start', ...argv], env, cwd: t.testdir({}), stdout: out.stream, stderr: err.stream })
    return { code, out: out.text(), err: err.text() }
  }
  for (const workers of ['0', '-1', '01', '65', 'two', '1e0', '2.0', '']) {
    const err = `error: --workers: found "${workers}", expected a whole number from 1 to 64\n`
    t.strictSame(await start([`--workers=${workers}`]), { code: 2, out: '', err })
  }
  const alone = 'expected 1 while state is kept in memory (no REDIS_URI, or USE_REDIS=false): ' +
    'with the memory store every process would count for itself\n'
  t.strictSame(await start(['--workers=2']), { code: 2, out: '', err: `error: --workers: found "2", ${alone}` })
  const unused = { REDIS_URI: 'redis://127.0.0.1', USE_REDIS: 'false' }
  t.match(await start(['--workers', '64'], unused), { code: 2, err: `error: --workers: found "64", ${alone}` })
  t.strictSame(await start([], { LOG_LEVEL: 'loud' }), {
    code: 2,
    out: '',
    err: 'environment LOG_LEVEL: found "loud", expected one of trace, debug, info, warn, error, fatal, silent\n',
  })
})

t.test('options of start are taken without its name, and a name that is none is told', async (t) => {
  const run = async (...argv: string[]) => {
    const err = sink()
    const code = await runCommand({ argv, env: {}, cwd: t.testdir({}), stdout: sink().stream, stderr: err.stream })
    return { code, err: err.text() }
  }
  t.match(await run('--workers', '0'), { code: 2, err: /--workers: found "0"/ })
  t.match(await run('strat'), { code: 2, err: /unknown command 'strat'[^]*Did you mean start/ })
})

t.test('what was written while the gateway started is in force soon after', async (t) => {
  const cwd = t.testdir({ 'p.yaml': 'preset: generic\n' })
  const policyFile = join(cwd, 'p.yaml')
  const options = { cwd, env: { UPSTREAM_URL: 'http://127.0.0.1:1' }, policyFile }
  const modes: string[] = []
  const log = createLogger({ destination: sink().stream })
  const watch = async () => {
    const loaded = await loadPolicy(options)
    await writeFile(policyFile, 'preset: generic\nmode: observe\n')
    return watchPolicy({ ...options, running: { reload: ({ mode }: Policy) => { modes.push(mode) } }, log, loaded })
  }
  const watchers = [await watch()]
  t.teardown(() => Promise.all(watchers.map((watcher) => watcher.close())))
  t.ok(await until(() => modes.includes('observe'), 10_000))
  await watchers[0]?.close()
  modes.length = 0
  watchers.push(await watch())
  await watchers[1]?.ready
  await writeFile(policyFile, 'preset: generic\nmode: off\n')
  t.ok(await until(() => modes.includes('off'), 10_000))
  t.same(modes, ['off'], 'what was read already is not applied again')
})

t.test('a policy that nobody has touched since it was read is not applied once more', async (t) => {
  const cwd = t.testdir({ 'p.yaml': 'preset: generic\n' })
  const options = { cwd, env: { UPSTREAM_URL: 'http://127.0.0.1:1' }, policyFile: join(cwd, 'p.yaml') }
  let reloads = 0
  const running = { reload: () => { reloads++ } }
  const log = createLogger({ destination: sink().stream })
  const watcher = watchPolicy({ ...options, running, log, loaded: await loadPolicy(options) })
  t.teardown(() => watcher.close())
  await watcher.ready
  t.notOk(await until(() => reloads > 0, 700))
})

t.test('certificates that come with a changed policy are watched from then on', async (t) => {
  const cwd = t.testdir({ 'p.yaml': 'preset: generic\n' })
  const [policyFile, authority] = [join(cwd, 'p.yaml'), join(cwd, 'ca.pem')]
  const options = { cwd, env: { UPSTREAM_URL: 'https://127.0.0.1:1' }, policyFile }
  const certificates: Array<string | undefined> = []
  const running = { reload: ({ upstream }: Policy) => { certificates.push(upstream.ca) } }
  const said = sink()
  const log = createLogger({ destination: said.stream })
  const loaded = await loadPolicy(options)
  const watcher = watchPolicy({ ...options, running, log, loaded })
  t.teardown(() => watcher.close())
  await watcher.ready

  await copyFile(join(fixtures, 'cert.pem'), authority)
  await writeFile(policyFile, 'preset: generic\nupstream: { tls: { ca: ca.pem } }\n')
  t.ok(await until(() => certificates.at(-1)?.startsWith('-----BEGIN CERTIFICATE-----') === true, 10_000))
  const before = certificates.length
  await until(() => watcher.loaded.policy.upstream.ca !== undefined, 10_000)
  await writeFile(authority, 'torn')
  t.ok(await until(() => said.text().includes('the last good one stays'), 10_000))
  t.match(said.text(), /p\.yaml:2:24 upstream\.tls\.ca: found .*it holds no certificate/)
  t.equal(certificates.length, before, 'nothing else changed')
})
