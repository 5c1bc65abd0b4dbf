import { readFile } from 'node:fs/promises'
import t from 'tap'
import { runScript } from '../../src/stores/redis/scripts.js'
import { until } from '../helpers/backends.js'
import { makeCertificates } from '../helpers/certificates.js'
import { writeScript } from '../helpers/lua.js'
import { testLog } from '../helpers/product.js'
import { quietPort } from '../helpers/quiet-port.js'
import { startRedisCluster } from '../helpers/redis-cluster.js'
import { openLink } from '../helpers/redis-link.js'
import { startRedis } from '../helpers/redis.js'

const WITHIN_MS = 15_000
const LINK_SOURCE = new URL('../../src/stores/redis/link.ts', import.meta.url)

t.test('a wrong password is said once, without it, and mended without a restart', async (t) => {
  const server = await startRedis(t)
  await server.cli('ACL', 'SETUSER', 'gate', 'on', '>right', '~*', '+@all')
  const log = testLog()
  const url = `redis://gate:n0t-this@127.0.0.1:${server.port}`
  const link = await openLink(t, url, { log, connected: false })
  t.ok(await until(async () => /WRONGPASS:count=([3-9]|\d\d)/.test(await server.cli('INFO', 'errorstats')), WITHIN_MS))
  t.match(log.lines, [{ level: 'warn', reason: /WRONGPASS/ }])
  t.equal(log.lines.length, 1)
  t.notMatch(JSON.stringify(log.lines), /n0t-this/)
  await t.rejects(link.fast.ping())
  await server.cli('ACL', 'SETUSER', 'gate', '>n0t-this')
  t.ok(await until(() => link.isConnected, WITHIN_MS))
})

t.test('a wrong password of a Cluster is said, without it, and mended without a restart', async (t) => {
  const cluster = await startRedisCluster(t)
  const everywhere = (...words: string[]) => Promise.all(cluster.nodes.map((node) => node.cli(...words)))
  await everywhere(...await documentedRule())
  const log = testLog()
  const settings = { username: 'portcullis', password: 'n0t-this' }
  const link = await openLink(t, cluster.url, { prefix: 'chat:', log, settings, connected: false })
  t.ok(await until(() => log.lines.length > 0, WITHIN_MS))
  t.match(log.lines, [{ message: 'Redis cannot be reached.', reason: /WRONGPASS/ }])
  await t.rejects(link.fast.get('x'))
  await t.rejects(link.calm.get('x'), 'patience ends')
  await everywhere('ACL', 'SETUSER', 'portcullis', '>n0t-this')
  t.ok(await until(() => link.isConnected, WITHIN_MS))
  const set = () => link.fast.set(link.key('user:1', ''), '1').then(() => true, () => false)
  t.ok(await until(set, WITHIN_MS), 'and the rights that link.ts names are enough')
  const isForbidden = () => link.fast.set('foreign', '1').then(() => false, (error: Error) => /NOPERM/.test(error.message))
  t.ok(await until(isForbidden, WITHIN_MS), 'and no more than enough')
  t.notMatch(JSON.stringify(log.lines), /n0t-this/)
})

t.test('a user with no more rights than link.ts names can do all that we do, on our keys alone', async (t) => {
  const server = await startRedis(t)
  await server.cli(...await documentedRule())
  await server.cli('ACL', 'SETUSER', 'default', 'off')
  const log = testLog()
  const link = await openLink(t, `redis://portcullis:secret@127.0.0.1:${server.port}`, { prefix: 'chat:', log })
  const key = (rest: string) => link.key('user:1', rest)
  const script = await writeScript(t, "redis.call('ZADD', KEYS[1], 1, 'a') return redis.call('TIME')")
  t.match(await runScript(link.fast, script, [key(':z')], []), [/^\d+$/, /^\d+$/])
  await link.fast.hset(key(':h'), 'a', '1')
  await link.calm.pexpire(key(':h'), 1_000)
  await link.calm.xadd(key(':s'), '*', 'a', '1')
  t.equal((await link.openBlocking().xread('BLOCK', 10, 'STREAMS', key(':s'), '0'))?.length, 1)
  t.same((await link.calm.hscan(key(':h'), '0'))[1], ['a', '1'])
  await t.rejects(link.fast.get('foreign'), /NOPERM/)
  await t.rejects(link.calm.flushall(), /NOPERM/)
  await t.rejects(link.calm.keys('*'), /NOPERM/)
  t.same(log.lines.map(({ message }) => message), ['Connected to Redis.'])
})

t.test('TLS holds against an authority of the settings, and against no other', async (t) => {
  const [ours, theirs] = await Promise.all([makeCertificates(t), makeCertificates(t)])
  const port = await quietPort()
  await startRedis(t, {
    port,
    args: ['--port', '0', '--tls-port', String(port), '--tls-cert-file', ours.certFile, '--tls-key-file', ours.keyFile,
      '--tls-ca-cert-file', ours.caFile, '--tls-auth-clients', 'no'],
    cliArgs: ['--tls', '--cacert', ours.caFile],
  })
  const link = await openLink(t, `rediss://127.0.0.1:${port}`, { settings: { ca: ours.ca } })
  t.equal(await link.fast.ping(), 'PONG')
  const wrong: [string, string | undefined, RegExp][] = [
    ['127.0.0.1', theirs.ca, /certificate/], ['127.0.0.1', undefined, /certificate/], ['localhost', ours.ca, /altnames/],
  ]
  for (const [host, ca, reason] of wrong) {
    const log = testLog()
    const refused = await openLink(t, `rediss://${host}:${port}`, { log, settings: { ca }, connected: false })
    t.ok(await until(() => log.lines.length > 0, WITHIN_MS))
    t.match(log.lines, [{ message: 'Redis cannot be reached.', reason }])
    await t.rejects(refused.fast.ping())
    // In the middle of handshakes, too.
    const refusedLinks = await Promise.all(Array.from({ length: 10 }, () =>
      openLink(t, `rediss://${host}:${port}`, { settings: { ca }, connected: false })))
    for (const one of refusedLinks) await one.close()
  }
})

/** The user of the comment in link.ts, with the prefix `chat:` and the password `secret`. */
async function documentedRule (): Promise<string[]> {
  const rule = (await readFile(LINK_SOURCE, 'utf8')).match(/ACL SETUSER[^/]*?cluster\|info/)?.[0] ?? ''
  return rule.replaceAll(/\n \*\s+/g, ' ').replace('<password>', 'secret').replace('<prefix>', 'chat:').split(' ')
}
