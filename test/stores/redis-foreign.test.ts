/** What others, or clocks that are wrong, leave in our keys. */
import t from 'tap'
import { createRemoteBans } from '../../src/stores/redis/bans-remote.js'
import { isOfOneKey } from '../../src/stores/redis/key-errors.js'
import { banOf, NOW } from '../contract/bans.js'
import { bookingOf, breachFor, hitOf, limiterOf, questionOf } from '../contract/limiters.js'
import { until } from '../helpers/backends.js'
import { openLink } from '../helpers/redis-link.js'
import { startRedis } from '../helpers/redis.js'
import { agree, bansInRedis, isSettled, openInstance } from './ban-instances.js'
import { openRedis } from './redis-rig.js'

const redis = await startRedis(t)
const now = () => NOW

t.test('a lift at no instant lifts nothing, is told, and gives way to one of ours', async (t) => {
  const one = await openInstance(t, redis.url, { prefix: 'lifts:', clock: now })
  await one.book.place([banOf('user:keep'), banOf('user:other')])
  for (const instant of ['inf', '-inf']) {
    const { resyncs } = one.store.stats()
    await one.link.calm.zadd(one.link.key('bans', ':lifts'), instant, 'user:keep')
    await one.link.calm.hset(one.link.key('bans', ':all'), ':generation', `after ${instant}`)
    t.ok(await until(() => one.store.stats().resyncs > resyncs && isSettled(one), 5000))
    t.same(one.bans(), ['user:keep', 'user:other'], instant)
  }
  t.match(one.log.lines.filter(({ message }) => message.includes('a lift in Redis')), [{ level: 'warn', subject: 'user:keep' }, {}])
  await one.book.place([banOf('user:keep', { expiresAt: null })])
  t.match((await bansInRedis(one)).get('user:keep'), { expiresAt: null }, 'changed as ever')
  await one.book.lift('user:keep', { by: 'test' })
  t.ok(await agree([one], ['user:other']))
  t.equal(Number(await one.link.calm.zscore(one.link.key('bans', ':lifts'), 'user:keep')), NOW)
})

t.test('a fast clock takes no ban from Redis that still holds by the clock there', async (t) => {
  const link = await openLink(t, redis.url, { time: 'server' })
  const remote = createRemoteBans({ link, feed: link.openBlocking(), newId: () => 'g' })
  const real = Date.now()
  const ended = [['user:over', real - 1000], ['user:holds', real + 600_000]] as const
  const ranOut = ended.map(([subject, expiresAt]) => {
    return { subject, json: JSON.stringify(banOf(subject, { expiresAt })), expiresAt }
  })
  for (const { subject, json } of ranOut) await remote.put({ subject, known: '', json, liftedAt: -1, by: 'test' }, real)
  await remote.sweep(ranOut, real + 700_000)
  t.same([...(await remote.bans()).keys()], ['user:holds'])
})

t.test('a state that is none of ours is a whole bucket, and a score none', async (t) => {
  const { link, counters, scores } = await openRedis(t, redis)
  for (const [kind, algorithm] of [['f', 'fixed-window'], ['w', 'sliding-window'], ['g', 'gcra']] as const) {
    const limiter = limiterOf('some', { algorithm, max: algorithm === 'sliding-window' ? 2000 : 3, burst: 3 })
    const key = link.key('user:42', `${kind}:some`)
    for (const text of ['garbage', 'nan nan nan', 'inf inf inf', '1', '1 2 3 4', '']) {
      await link.calm.set(key, text, 'PX', 60_000)
      const { refused, states } = await counters.decide(questionOf([hitOf(limiter, 'user:42')], NOW))
      t.equal(refused, -1)
      t.match(states, [{ charged: 1, remaining: limiter.max - 1 }], `${kind} ${text}`)
    }
  }
  for (const text of ['a b c d', '1 inf 1 -', 'nan 1 1 1', '1 1 1 inf', '1 1 1']) {
    await link.calm.hset(link.key('user:7', 'scores'), 'message_limit', text)
    t.same(await scores.list('user:7'), [], text)
    t.match(await scores.book(bookingOf(breachFor('user:7'), NOW)), { before: 0, after: 1 }, text)
  }
  const log = limiterOf('log', { algorithm: 'sliding-window', max: 3 })
  const key = link.key('user:42', 'l:log')
  await link.calm.rpush(key, 'x', 'inf', 'y')
  await link.calm.pexpire(key, 60_000)
  t.match(await counters.decide(questionOf([hitOf(log, 'user:42')], NOW)), { refused: -1, states: [{ remaining: 2 }] })
})

t.test('an error of one key is told from what a server says of itself', async (t) => {
  const { link, counters, scores } = await openRedis(t, redis)
  const caught = async (call: () => unknown) => await Promise.resolve(call()).catch((error: unknown) => error)
  await link.calm.set(link.key('user:7', 'scores'), 'x', 'PX', 60_000)
  await link.calm.set(link.key('user:42', 'l:log'), 'x', 'PX', 60_000)
  t.ok(isOfOneKey(await caught(() => scores.book(bookingOf(breachFor('user:7'), NOW)))))
  const log = limiterOf('log', { algorithm: 'sliding-window' })
  t.ok(isOfOneKey(await caught(() => counters.decide(questionOf([hitOf(log, 'user:42')], NOW)))))
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
  const full = await caught(() => counters.decide(questionOf([hitOf(limiterOf('f'))], NOW)))
  await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  t.ok(full instanceof Error && !isOfOneKey(full))
  const script = 'ERR Error running script (call to f_0123): @user_script:12: '
  for (const message of ['WRONGTYPE Operation against a key', `${script}WRONGTYPE Operation`, `${script}user_script:12: attempt to compare nil`,
    'ERR value is not an integer or out of range script: 0123, on @user_script:12.']) t.ok(isOfOneKey(new Error(message)), message)
  for (const message of [`${script}@user_script: 12: -OOM command not allowed`, `${script}-READONLY You can't write`,
    `${script}@user_script: 12: The user executing the script can't run this command or subcommand`,
    'OOM command not allowed when used memory script: 0123, on @user_script:12.', 'LOADING Redis is loading', 'Connection is closed.',
    'MISCONF Errors writing to the AOF file script: 0123, on @user_script:12.', 'BUSY Redis is busy running a script']) {
    t.notOk(isOfOneKey(new Error(message)), message)
  }
  t.notOk(isOfOneKey('WRONGTYPE'))
})
