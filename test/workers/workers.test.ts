import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import t from 'tap'
import type { Test } from 'tap'
import { until } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import { ask, bearer, isAlive, POLICY, sampleOf, startTree, surroundings, timesOf, type RunningTree } from './worker-rig.js'

const statuses = async (count: number, url: string, headers = {}) =>
  (await timesOf(count, async () => (await ask(url, { headers })).status)).sort()

t.test('two workers count, ban, tell and follow the policy as one', async (t) => {
  const { cwd, env } = await surroundings(t)
  const tree = await startTree(t, { cwd, env })
  const answered = await statuses(60, `${tree.url}/few`)
  t.same(answered, [...Array(20).fill(200), ...Array(40).fill(429)], 'twenty pass, whichever worker is asked')
  t.ok(await until(() => new Set(tree.lines().filter(({ msg }) => msg === 'refused').map(({ worker }) => worker)).size === 2, 5000),
    'both had their part, and their lines say whose they are')

  const metrics = await tree.metrics()
  t.equal(sampleOf(metrics, 'portcullis_workers'), 2)
  t.equal(sampleOf(metrics, 'portcullis_requests_total{route="GET /few",verdict="limit",mode="enforce"}'), 40)
  t.equal(sampleOf(metrics, 'portcullis_requests_total{route="GET /few",verdict="forwarded",mode="enforce"}'), 20)
  t.equal(sampleOf(metrics, 'portcullis_violations_total{type="few"}'), 40)
  const journal = join(cwd, 'data', 'logs.json')
  const records = async () => (await readFile(journal, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
  t.ok(await until(async () => (await records()).length === 40, 5000), 'the journal is one file, whole')
  for (const record of await records()) {
    const { v, type, ip } = JSON.parse(record) as Record<string, unknown>
    if (v !== 1 || type !== 'few' || ip !== '127.0.0.1') t.fail(record)
  }

  t.equal(await tree.admin('/api/v1/bans', { method: 'POST', body: { user: 'ann', duration: '1h' } }), 201)
  const asAnn = async () => await statuses(8, `${tree.url}/`, bearer('ann'))
  t.ok(await until(async () => (await asAnn()).every((status) => status === 403), 2000), 'a ban holds on both')
  t.equal(sampleOf(await tree.metrics(), 'portcullis_bans_active'), 1, 'which know the same one')
  t.equal(await tree.admin('/api/v1/bans/user%3Aann', { method: 'DELETE' }), 204)
  t.ok(await until(async () => (await asAnn()).every((status) => status === 200), 2000), 'and its lift')

  await writeFile(join(cwd, 'config', 'portcullis.yaml'), `${POLICY}deny: { users: [eve] }\n`)
  const asEve = async (status: number) => (await statuses(8, `${tree.url}/`, bearer('eve'))).every((one) => one === status)
  t.ok(await until(() => asEve(403), 10_000), 'a changed policy is in force in both')
  await writeFile(join(cwd, 'config', 'portcullis.yaml'), 'preset: nonsense\n')
  t.ok(await until(() => tree.output().includes('the last good one stays'), 10_000))
  const victim = tree.pids().get(1) as number
  process.kill(victim, 'SIGKILL')
  t.ok(await until(async () => tree.pids().get(1) !== undefined && sampleOf(await tree.metrics(), 'portcullis_workers') === 2, 15_000))
  t.ok(await asEve(403), 'also in a worker that comes later')
  const warnings = tree.lines().filter(({ level, worker }) => level === 'warn' && worker !== undefined)
  t.same(warnings, [], 'what is configured badly is said by the primary alone')
})

t.test('a worker that is killed is replaced; the other serves on, and nothing counted is forgotten', async (t) => {
  const { cwd, env } = await surroundings(t)
  const tree = await startTree(t, { cwd, env })
  await statuses(20, `${tree.url}/x`)
  const requests = async () =>
    sampleOf(await tree.metrics(), 'portcullis_requests_total{route="unmatched",verdict="forwarded",mode="enforce"}')
  t.equal(await requests(), 20)
  const before = tree.pids()
  t.equal(before.size, 2)
  process.kill(before.get(1) as number, 'SIGKILL')
  const ended = () => tree.lines().find(({ msg }) => msg === 'a worker has ended')
  t.ok(await until(() => ended() !== undefined, 5000))
  t.match(ended(), { worker: 1, workerPid: before.get(1), signal: 'SIGKILL' })
  t.same(await statuses(20, `${tree.url}/x`), Array(20).fill(200))
  t.match(await tree.ready(), { status: 'degraded', checks: { workers: { reason: /1 of 2 workers/ } } })
  t.ok(await until(async () => (await tree.ready()).status === 'ready', 15_000))
  t.equal(tree.pids().get(2), before.get(2))
  t.not(tree.pids().get(1), before.get(1))
  t.ok(await until(async () => await requests() === 40, 2000), 'counters do not fall')

  // One worker is told to go: what it has is served, and somebody else comes.
  const slow = timesOf(6, () => ask(`${tree.url}/slow`))
  await until(async () => sampleOf(await tree.metrics(), 'portcullis_open_exchanges') === 6, 2000)
  process.kill(before.get(2) as number, 'SIGTERM')
  for (const answer of await slow) t.same(answer, { status: 200, body: 'begun, done' })
  t.ok(await until(async () => (await tree.ready()).status === 'ready' && !isAlive(before.get(2) as number), 15_000))
})

t.test('with Redis away the workers start, and a ban holds in all of them', async (t) => {
  const { redis, cwd, env } = await surroundings(t)
  await writeFile(join(cwd, 'config', 'portcullis.yaml'), POLICY.replace('closed', 'local'))
  await redis.kill()
  const tree = await startTree(t, { cwd, env })
  const holds = async (id: string, status: number) =>
    await until(async () => (await statuses(8, `${tree.url}/`, bearer(id))).every((one) => one === status), 5000)
  const ban = async (user: string) => await tree.admin('/api/v1/bans', { method: 'POST', body: { user, duration: '1h' } })
  t.match(await tree.ready(), { status: 'degraded', checks: { workers: { status: 'degraded', reason: /worker 1: / } } })
  const unreachable = tree.lines().filter(({ level, msg }) => level === 'warn' && msg.startsWith('Redis cannot be reached'))
  t.equal(unreachable.length, 1, 'which is said once')
  t.equal((await ask(`${tree.url}/few`)).status, 200)
  t.equal(await ban('ann'), 201)
  t.ok(await holds('ann', 403))
  await restartWorker(t, tree, 1)
  t.ok(await holds('ann', 403), 'a worker that comes later is told of it')
  await redis.start()
  t.ok(await until(async () => (await tree.ready()).status === 'ready', 20_000), 'it recovers by itself')
  t.ok(await holds('ann', 403))
  t.equal(await tree.admin('/api/v1/bans/user%3Aann', { method: 'DELETE' }), 204)
  t.ok(await holds('ann', 200))
})

t.test('a ban has one document in MongoDB, and deleting it frees the person in all workers', async (t) => {
  const [{ cwd, env }, { uri }] = await Promise.all([surroundings(t), startMongo(t)])
  const tree = await startTree(t, { cwd, env: { ...env, MONGO_URI: uri } })
  const client = new MongoClient(uri)
  t.teardown(() => client.close())
  const logs = client.db().collection('logs')
  const holds = async (status: number) =>
    await until(async () => (await statuses(8, `${tree.url}/`, bearer('ann'))).every((one) => one === status), 8000)
  await tree.admin('/api/v1/bans', { method: 'POST', body: { user: 'ann', duration: '1h' } })
  t.ok(await until(async () => await logs.countDocuments({ type: 'ban' }) === 1, 8000))
  t.ok(await holds(403))
  t.match(await tree.ready(), { checks: { mongodb: { status: 'ok' } } })
  await logs.deleteOne({ user: 'ann', type: 'ban' })
  t.ok(await holds(200))
})

async function restartWorker (t: Test, tree: RunningTree, number: number): Promise<void> {
  const pid = tree.pids().get(number) as number
  process.kill(pid, 'SIGKILL')
  t.ok(await until(async () => sampleOf(await tree.metrics(), 'portcullis_workers') < 2, 5000))
  t.ok(await until(async () => sampleOf(await tree.metrics(), 'portcullis_workers') === 2, 15_000))
}
