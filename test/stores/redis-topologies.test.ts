import fc from 'fast-check'
import t from 'tap'
import type { RedisLink } from '../../src/stores/redis/contract.js'
import { createKeys } from '../../src/stores/redis/keys.js'
import { runScript } from '../../src/stores/redis/scripts.js'
import { until } from '../helpers/backends.js'
import { writeScript } from '../helpers/lua.js'
import { testLog } from '../helpers/product.js'
import { startRedisCluster } from '../helpers/redis-cluster.js'
import { openLink } from '../helpers/redis-link.js'
import { startSentinel } from '../helpers/redis-sentinel.js'

const WITHIN_MS = 15_000
const PREFIXES = ['', 'chat:', '{chat}:', '{}:', 'a{}b{c}', '{', '}', '}{', 'a{b', '{{}}', 'ä %']
const TAGS = ['user:42', 'user:', 'user:{', 'user:}', 'user:}{', 'user:{}', '}', '{}', 'user:a b\n\0', 'user:ü€😀',
  `user:${'x'.repeat(512)}`, 'user:\ud800', 'user:%7b', 'ip:2001:db8::/64', 'global']

t.test('two keys share a name only if they share tag and rest', (t) => {
  const part = fc.string({ unit: fc.constantFrom('a', ':', '%', '7', 'b', '{', '}', '\ud800', '\udc00', '😀', ' ') })
  const parts = [part, part, part, part] as const
  fc.assert(fc.property(fc.constantFrom(...PREFIXES), ...parts, (prefix, tag, rest, otherTag, otherRest) => {
    const key = createKeys(prefix)
    const isSame = tag === otherTag && rest === otherRest
    return (bytes(key(tag, rest)) === bytes(key(otherTag, otherRest))) === isSame
  }), { numRuns: 5_000 })
  t.equal(createKeys('')('user:{1}%', ':{}'), 'portcullis:1:{user:%7b1%7d%25}:{}')
  t.end()
})

t.test('on a Cluster', async (t) => {
  const cluster = await startRedisCluster(t)
  const log = testLog()
  const link = await openLink(t, cluster.url, { log })
  const script = await writeScript(t, "return redis.call('INCR', KEYS[1]) + redis.call('INCR', KEYS[2])")

  await t.test('keys of a subject lie together, of subjects apart, whatever stands in them', async (t) => {
    for (const prefix of PREFIXES) {
      const key = createKeys(prefix)
      for (const tag of TAGS) {
        const slots = await Promise.all([key(tag, ''), key(tag, ':x}'), key(tag, ':{a}')].map((name) => slotOf(link, name)))
        t.equal(new Set(slots).size, 1, JSON.stringify([prefix, tag]))
      }
    }
    const slots = await Promise.all(TAGS.map((tag) => slotOf(link, createKeys('chat:')(tag, ''))))
    t.equal(new Set(slots).size, TAGS.length)
  })

  await t.test('the link is one, up and logged once', async (t) => {
    t.equal(link.isCluster, true)
    t.equal(link.isConnected, true)
    t.same(log.lines.map(({ message }) => message), ['Connected to Redis.'])
  })

  await t.test('scripts run on every node, also after a flush, each call once', async (t) => {
    const subjects = Array.from({ length: 60 }, (_, index) => `user:${index}`)
    const run = () => Promise.all(subjects.map((subject) =>
      runScript(link.fast, script, [link.key(subject, ':a'), link.key(subject, ':b')], [])))
    t.same(await run(), subjects.map(() => 2))
    for (const node of cluster.nodes) {
      t.match(await node.cli('INFO', 'commandstats'), /cmdstat_incr:/)
      await node.cli('SCRIPT', 'FLUSH')
    }
    t.same(await run(), subjects.map(() => 4))
    t.same(await Promise.all(subjects.map((subject) =>
      runScript(link.calm, script, [link.key(subject, ':a'), link.key(subject, ':b')], []))), subjects.map(() => 6))
  })

  await t.test('a connection that blocks does not hold up the others', async (t) => {
    const key = link.key('bans', ':feed')
    const read = link.openBlocking().xread('BLOCK', 5_000, 'STREAMS', key, '0')
    t.equal(await link.calm.set(link.key('bans', ':x'), '1'), 'OK')
    await link.calm.xadd(key, '*', 'a', '1')
    t.equal((await read)?.length, 1)
  })

  await t.test('a missing node fails its own subjects at once, and is found again', async (t) => {
    const [node] = cluster.nodes
    await node?.kill()
    const set = (index: number) => link.fast.set(link.key(`user:${index}`, ''), '1').then(() => true, () => false)
    const all = () => Promise.all(Array.from({ length: 60 }, (_, index) => set(index)))
    t.ok(await until(async () => (await all()).includes(false)))
    const before = performance.now()
    const answers = await all()
    t.ok(performance.now() - before < 500, 'nobody waits')
    t.ok(answers.includes(false))
    t.equal(link.isConnected, true, 'the others are there')
    await node?.start()
    t.ok(await until(async () => !(await all()).includes(false), WITHIN_MS))
  })

  await t.test('all nodes gone: the link is down, says so, and comes back', async (t) => {
    for (const node of cluster.nodes) await node.kill()
    t.ok(await until(() => !link.isConnected, WITHIN_MS))
    await t.rejects(link.fast.set(link.key('user:1', ''), '1'))
    t.ok(log.lines.some(({ message }) => message === 'The connection to Redis is lost.'))
    await Promise.all(cluster.nodes.map((node) => node.start()))
    t.ok(await until(() => link.isConnected, WITHIN_MS))
    const set = () => link.fast.set(link.key('user:1', ''), '1').then(() => true, () => false)
    t.ok(await until(set, WITHIN_MS))
    t.equal(await link.calm.get(link.key('user:1', '')), '1')
    t.ok(log.lines.length < 30)
  })

  await t.test('a closed link leaves no connection', async (t) => {
    await link.close()
    await t.rejects(link.fast.get('x'))
    const clients = async () => (await Promise.all(cluster.nodes.map((node) => node.cli('CLIENT', 'LIST')))).join('\n')
    t.ok(await until(async () => !(await clients()).includes('portcullis'), WITHIN_MS))
  })
})

t.test('a master that is demoted alive is left as soon as the sentinel says so', async (t) => {
  const sentinel = await startSentinel(t)
  const link = await openLink(t, sentinel.url)
  const blocking = link.openBlocking()
  await Promise.all([link.calm.ping(), blocking.ping()])
  await sentinel.switchOver()
  const key = link.key('user:1', '')
  // The old one takes writes for about ten seconds more.
  const isThere = async () => await link.fast.set(key, '1').then(() => sentinel.replica.cli('GET', key), () => '') === '1'
  t.ok(await until(isThere, 4_000))
  for (const client of [link.calm, blocking]) t.match(await client.role(), ['master'])
  t.match(await sentinel.replica.cli('CLIENT', 'LIST'), /(name=portcullis [^]*){3}/)
})

t.test('after a failover the link follows the sentinel to the new master', async (t) => {
  const sentinel = await startSentinel(t)
  const log = testLog()
  const link = await openLink(t, sentinel.url, { log })
  const key = link.key('user:1', '')
  await link.fast.set(key, 'before')
  await link.calm.wait(1, 1_000)
  await sentinel.failover()
  t.ok(await until(async () => await link.fast.set(key, 'after').then(() => true, () => false), WITHIN_MS))
  t.equal(await sentinel.replica.cli('GET', key), 'after')
  t.ok(await until(async () => await link.calm.get(key).then((value) => value === 'after', () => false), WITHIN_MS))
  t.match(log.lines.at(-1), { message: 'The connection to Redis is back.' })
  t.ok(log.lines.length <= 5, JSON.stringify(log.lines))

  await t.test('and when everybody is away, waits without holding the process', async (t) => {
    await sentinel.stop()
    await sentinel.replica.kill()
    t.ok(await until(() => link.fast.status === 'end', WITHIN_MS))
    await t.rejects(link.calm.get(key), 'patience ends')
    await link.close()
    // The library's patience with a sentinel's answer runs out by itself.
    t.ok(await until(() => handles().length === 0, 4_000), handles().join())
  })
})

function handles (): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP') || name === 'Timeout')
}

async function slotOf (link: RedisLink, key: string): Promise<unknown> {
  return await link.calm.cluster('KEYSLOT', key)
}

function bytes (text: string): string {
  return Buffer.from(text).toString('hex')
}
