import t from 'tap'
import { retryDelayMs } from '../../src/stores/redis/clients.js'
import type { RedisClient } from '../../src/stores/redis/contract.js'
import { runScript } from '../../src/stores/redis/scripts.js'
import { until } from '../helpers/backends.js'
import { writeScript } from '../helpers/lua.js'
import { testLog } from '../helpers/product.js'
import { quietPort } from '../helpers/quiet-port.js'
import { openLink } from '../helpers/redis-link.js'
import { startRedis, type RedisServer } from '../helpers/redis.js'

const WITHIN_MS = 8_000

t.test('a link is up, names its connections and keys, and says whose clock counts', async (t) => {
  const server = await startRedis(t)
  const log = testLog()
  const link = await openLink(t, server.url, { prefix: 'chat:', time: 'server', log })
  t.equal(link.isCluster, false)
  t.equal(link.now(123), 0)
  t.equal((await openLink(t, server.url, { time: 'caller' })).now(123), 123)
  t.equal(link.key('user:42', ':x'), 'chat:portcullis:1:{user:42}:x')
  t.equal(await link.calm.ping(), 'PONG')
  const names = (await server.cli('CLIENT', 'LIST')).match(/ name=portcullis /g)
  t.ok((names?.length ?? 0) >= 2, 'fast and calm')
  t.match(log.lines, [{ level: 'info', message: 'Connected to Redis.', redis: `127.0.0.1:${server.port}` }])
  t.equal(log.lines.length, 1)
})

t.test('a database number is selected on every connection', async (t) => {
  const server = await startRedis(t)
  const link = await openLink(t, server.url, { settings: { database: 3 } })
  await link.fast.set('here', '3')
  t.equal(await link.calm.get('here'), '3')
  t.equal(await link.openBlocking().get('here'), '3')
  t.equal(await server.cli('-n', '3', 'GET', 'here'), '3')
})

t.test('while the server is down a call in haste fails at once, a calm one waits, and all recovers', async (t) => {
  const server = await startRedis(t)
  const log = testLog()
  const link = await openLink(t, server.url, { log })
  const blocking = link.openBlocking()
  await blocking.ping()
  const changes: boolean[] = []
  link.onConnection((isConnected) => { changes.push(isConnected) })
  server.pause()
  const underWay = t.rejects(link.fast.incr('n'), 'what was under way is not sent again')
  const blocked = t.rejects(blocking.xread('BLOCK', 5_000, 'STREAMS', 's', '$'), 'who blocks hears of it')
  await server.kill()
  await Promise.all([underWay, blocked])
  t.ok(await until(() => !link.isConnected))
  const before = performance.now()
  await t.rejects(link.fast.incr('n'))
  t.ok(performance.now() - before < 50, 'no waiting')
  const patient = until(async () => await link.calm.set('late', '1').then(() => true, () => false), WITHIN_MS)
  t.ok(await until(() => log.lines.some(({ reason }) => String(reason).includes('ECONNREFUSED'))))
  await server.start()
  t.ok(await until(() => link.isConnected, WITHIN_MS))
  t.ok(await patient)
  t.equal(await link.fast.incr('n'), 1)
  t.equal(await blocking.ping(), 'PONG')
  t.same(changes, [false, true])
  const messages = log.lines.map(({ message }) => message)
  t.same(messages, ['Connected to Redis.', 'The connection to Redis is lost.', 'Redis cannot be reached.', 'The connection to Redis is back.'])
})

t.test('a calm call bears a pause between two attempts, but not for ever', async (t) => {
  const server = await startRedis(t)
  const link = await openLink(t, server.url)
  await link.calm.ping()
  await server.kill()
  t.ok(await until(() => link.calm.status === 'reconnecting', WITHIN_MS))
  const waiting = link.calm.set('kept', '1')
  await server.start()
  t.equal(await waiting, 'OK')
  await server.kill()
  await t.rejects(link.calm.set('lost', '1'))
})

t.test('a server that falls silent is given up soon after the deadline, and found again', async (t) => {
  const server = await startRedis(t)
  const link = await openLink(t, server.url, { deadlineMs: 50 })
  server.pause()
  const before = performance.now()
  await t.rejects(link.fast.ping())
  t.ok(performance.now() - before < 4_000)
  t.ok(await until(() => !link.isConnected))
  server.resume()
  t.ok(await until(() => link.isConnected, WITHIN_MS))
})

t.test('a link that finds nobody, or has come up and gone, begins without complaint and comes up later', async (t) => {
  const port = await quietPort()
  const log = testLog()
  const link = await openLink(t, `redis://127.0.0.1:${port}`, { log, connected: false })
  t.ok(await until(() => log.lines.length > 0))
  t.match(log.lines, [{ level: 'warn', message: 'Redis cannot be reached.', reason: /ECONNREFUSED/ }])
  await t.rejects(link.fast.ping())
  await startRedis(t, { port })
  t.ok(await until(() => link.isConnected, WITHIN_MS))
  t.equal(log.lines.length, 2, 'one line for many attempts')
})

t.test('scripts are there before the first call, and come back by one text after a flush', async (t) => {
  const server = await startRedis(t)
  const script = await writeScript(t, 'local function twice (n) return n * 2 end', "return {twice(tonumber(ARGV[1])), KEYS[1], redis.call('INCR', KEYS[1])}")
  const link = await openLink(t, server.url)
  const key = link.key('user:ä\n', ':n')
  t.same(await runScript(link.fast, script, [key], [21]), [42, key, 1])
  t.equal(await calls(server, 'eval'), 0)
  t.equal(await calls(server, 'evalsha'), 1, 'one trip')
  await server.cli('SCRIPT', 'FLUSH')
  await server.cli('CONFIG', 'RESETSTAT')
  const answers = await Promise.all(Array.from({ length: 200 }, () => runScript(link.fast, script, [key], [1])))
  t.equal(answers.length, 200)
  t.equal(await link.fast.get(key), '201', 'each ran once')
  t.equal(await calls(server, 'script|load'), 1)
  t.equal(await calls(server, 'eval'), 0)
  await server.cli('SCRIPT', 'FLUSH')
  await server.cli('ACL', 'SETUSER', 'default', '-script')
  t.same(await runScript(link.fast, script, [key], [1]), [2, key, 202], 'and by itself where texts may not be loaded')
  await t.rejects(runScript(link.fast, await writeScript(t, "return redis.error_reply('EMPTY')"), [], []), /EMPTY/)
})

t.test('a server that was demoted is left once, for its address may lead to another by now', async (t) => {
  const server = await startRedis(t)
  const link = await openLink(t, server.url)
  const first = await link.fast.client('ID')
  await server.cli('REPLICAOF', '127.0.0.1', '1')
  await t.rejects(link.fast.set('a', '1'), /READONLY/)
  t.ok(await until(async () => await link.fast.client('ID').then((id) => id !== first, () => false), WITHIN_MS))
  const second = await link.fast.client('ID')
  await t.rejects(link.fast.set('a', '1'), /READONLY/)
  t.equal(await link.fast.client('ID'), second, 'not with every call')
  await server.cli('REPLICAOF', 'NO', 'ONE')
  t.equal(await link.fast.set('a', '1'), 'OK')
})

t.test('a closed link leaves nothing behind, whatever state it was in', async (t) => {
  const server = await startRedis(t)
  const links = await Promise.all([1, 2, 3, 4].map(() => openLink(t, server.url)))
  const [up, silent, waiting, beginning] = links.map((link) => ({ link, blocking: link.openBlocking() }))
  await up?.link.close()
  await t.rejects(ping(up?.link.fast))
  server.pause()
  const left = t.rejects(ping(silent?.link.fast), 'who waits is answered')
  await silent?.link.close()
  await left
  await server.kill()
  t.ok(await until(() => waiting?.link.calm.status === 'reconnecting', WITHIN_MS))
  const queued = t.rejects(ping(waiting?.link.calm), 'who waits is answered')
  await waiting?.link.close()
  await queued
  await Promise.all([beginning?.link.close(), beginning?.link.close()])
  t.ok(await until(() => handles().length === 0), handles().join())
})

t.test('attempts come at growing distances, of which no two instances share one', async (t) => {
  for (const [attempt, most] of [[1, 50], [2, 100], [5, 800], [7, 2_000], [1_000, 2_000]] as const) {
    const delays = Array.from({ length: 50 }, () => retryDelayMs(attempt))
    t.ok(delays.every((delay) => delay <= most && delay >= most / 2), `attempt ${attempt}`)
    t.ok(new Set(delays).size > 5)
  }
})

async function calls (server: RedisServer, command: string): Promise<number> {
  const stats = await server.cli('INFO', 'commandstats')
  return Number(stats.match(new RegExp(`cmdstat_${command.replace('|', '\\|')}:calls=(\\d+)`))?.[1] ?? 0)
}

async function ping (client: RedisClient | undefined): Promise<void> {
  await client?.ping()
}

function handles (): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP') || name === 'Timeout')
}
