import { readFile, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../helpers/backends.js'
import { ask, bearer, sampleOf, startTree, surroundings, timesOf } from './worker-rig.js'

/** Whoever asks too often is banned by his third refusal. */
const POLICY = `
preset: generic
bans: { interval: 3, duration: 1h, address: { enabled: false } }
limiters: { few: { key: user, max: 1, window: 10m, violation: few, score: 1 } }
routes: [{ match: "GET /few", limit: [few] }]
`

t.test('while Redis hangs, a ban holds in all workers and on disk, and its lift holds when Redis goes on', async (t) => {
  const { redis, cwd, env } = await surroundings(t)
  await writeFile(join(cwd, 'config', 'portcullis.yaml'), POLICY)
  const tree = await startTree(t, { cwd, env })
  t.ok(await until(async () => (await tree.ready()).status === 'ready', 10_000))
  const answers = async () =>
    (await timesOf(6, async () => (await ask(`${tree.url}/`, { headers: bearer('ann') })).status)).join(' ')
  const isKept = async () => (await readFile(join(cwd, 'data', 'bans.json'), 'utf8').catch(() => '')).includes('"subject":"user:ann"')
  // One connection is one worker.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  redis.pause()
  const offend = async () => (await ask(`${tree.url}/few`, { headers: bearer('ann'), agent })).status
  t.ok(await until(async () => await offend() === 403, 5000))
  t.equal(await answers(), '403 403 403 403 403 403')
  t.ok(await isKept())

  t.equal(await tree.admin('/api/v1/bans/user%3Aann', { method: 'DELETE' }), 204)
  t.equal(await answers(), '200 200 200 200 200 200')
  redis.resume()
  t.ok(await until(async () => (await tree.ready()).status === 'ready', 20_000))
  t.ok(await until(async () => sampleOf(await tree.metrics(), 'portcullis_store_violations_waiting') === 0, 10_000))
  t.equal(await answers(), '200 200 200 200 200 200')
  t.notOk(await isKept())
  const [total, score] = (await redis.cli('hget', 'w::portcullis:1:{user:ann}scores', 'few')).split(' ')
  t.ok(Number(total) >= 3)
  t.equal(score, '0')
})

t.test('a worker that sends nonsense harms nobody', async (t) => {
  const { cwd, env } = await surroundings(t)
  await writeFile(join(cwd, 'evil.cjs'), `if (process.env.PORTCULLIS_WORKER === '1') setTimeout(() => {
    for (const evil of [null, { kind: 'journal' }, { kind: 'answer', id: 1 }, { kind: 'bans', id: 1, changes: {} }]) process.send(evil)
    process.send({ kind: 'warning', line: '{"level":"warn",cut\\n' })
  }, 1500)\n`)
  const tree = await startTree(t, { cwd, env: { ...env, NODE_OPTIONS: `--require=${join(cwd, 'evil.cjs')}` } })
  const heard = () => tree.lines().filter(({ msg }) => msg === 'a worker has sent what cannot be read')
  t.ok(await until(() => heard().length === 4, 10_000))
  t.match(heard()[0], { worker: 1, level: 'error' })
  t.equal((await ask(`${tree.url}/`)).status, 200)
  t.match(await tree.ready(), { status: 'ready' })
})
