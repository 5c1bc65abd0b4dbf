import t, { type Test } from 'tap'
import { until } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import { HOUR, isRecorded, openInstance, openShell, pairOf, startWire } from './mongo-rig.js'

/** What the contract grants the operator. */
const WITHIN_MS = 5000
const BAN = { violation: 'message_limit', score: 20, source: 'auto', linked: [] } as const
const server = await startMongo(t)

/** A database of its own. */
function freshUri (): string {
  const url = new URL(server.uri)
  url.pathname += `_${++databases}`
  return url.href
}
let databases = 0

async function rig (t: Test, options: Parameters<typeof openInstance>[2] = {}) {
  const uri = freshUri()
  const shell = await openShell(t, uri)
  return { uri, shell, ...await openInstance(t, uri, options) }
}

t.test('ban documents have exactly the documented shape', async (t) => {
  const { book, shell, records } = await rig(t)
  const [user, address] = pairOf('6650c0ffee', '203.0.113.9')
  await book.place([user!, address!])
  const createdAt = user!.createdAt
  await book.place([
    { ...BAN, subject: 'ip:2001:db8::/64', violation: 'manual', score: 0, source: 'admin', createdAt, expiresAt: null },
    { ...BAN, subject: 'user:\ud800 $where', createdAt, expiresAt: createdAt + HOUR },
  ])
  t.ok(await until(() => isRecorded({ book, records }), 5000))
  const bare = { projection: { _id: 0 } }
  t.strictSame(await shell.logs.findOne({ user: '6650c0ffee', type: 'ban' }, bare), {
    key: 'portcullis:ban:user:6650c0ffee', type: 'ban', user: '6650c0ffee', violation: 'message_limit', score: 20,
    duration: 2 * HOUR, createdAt: new Date(createdAt), expiresAt: new Date(createdAt + 2 * HOUR), source: 'auto',
  })
  t.strictSame(await shell.logs.findOne({ ip: '203.0.113.9' }, bare), {
    key: 'portcullis:ban:ip:203.0.113.9', type: 'ban', ip: '203.0.113.9', linkedTo: 'portcullis:ban:user:6650c0ffee',
    violation: 'message_limit', score: 20, duration: 2 * HOUR, createdAt: new Date(createdAt),
    expiresAt: new Date(createdAt + 2 * HOUR), source: 'auto',
  })
  t.strictSame(await shell.logs.findOne({ ip: '2001:db8::/64' }, bare), {
    key: 'portcullis:ban:ip:2001:db8::/64', type: 'ban', ip: '2001:db8::/64', violation: 'manual', score: 0,
    duration: null, createdAt: new Date(createdAt), expiresAt: null, source: 'admin',
  }, 'for ever; nobody caused it')
  t.equal(await shell.logs.countDocuments({ type: 'ban' }), 4, 'find({type: "ban"}) lists the bans and nothing else')
  t.equal(await shell.logs.countDocuments({ key: 'portcullis:ban:user:\ufffd $where' }), 1, 'odd texts are texts')

  await book.place([{ ...user!, expiresAt: createdAt + 5 * HOUR }])
  t.ok(await until(async () => (await shell.logs.findOne({ user: user!.subject.slice(5) }))?.['duration'] === 5 * HOUR),
    'a longer ban changes its document')
  await book.lift('user:\ud800 $where', { by: 'admin' })
  await book.lift('user:6650c0ffee', { by: 'admin' })
  t.ok(await shell.lists('ip:2001:db8::/64'), 'what is lifted here goes there, linked addresses too')
})

t.test('deleteOne({user, type: "ban"}) frees the person, his score and his addresses', async (t) => {
  // In earnest's own time.
  const { book, shell, records, scores } = await rig(t, { lookEveryMs: 2000 })
  for (const subject of ['user:42', 'ip:203.0.113.9', 'user:7']) {
    await scores.book({
      id: subject, now: Date.now(),
      breach: { type: 'message_limit', subject, score: 5, interval: 20, scope: 'type', ttlMs: null, shadow: false },
    })
  }
  await book.place(pairOf('42', '203.0.113.9'))
  await book.place(pairOf('42', '198.51.100.7'))
  await book.place(pairOf('7', '198.51.100.7'))
  t.ok(await until(() => isRecorded({ book, records }), 5000))
  const lifted: string[] = []
  book.on((event) => { if (event.kind === 'lifted') lifted.push(`${event.subject} by ${event.by}`) })

  const { deletedCount } = await shell.logs.deleteOne({ user: '42', type: 'ban' })
  const deletedAt = Date.now()
  t.equal(deletedCount, 1)
  t.ok(await until(() => book.get('user:42') === undefined, WITHIN_MS))
  t.ok(Date.now() - deletedAt < WITHIN_MS, 'within five seconds')
  t.strictSame(lifted.sort(), ['ip:203.0.113.9 by mongo', 'user:42 by mongo'])
  t.ok(book.get('ip:198.51.100.7'), 'an address that another banned user holds stays')
  t.ok(await shell.lists('ip:198.51.100.7', 'user:7'), 'the documents follow')
  t.ok(await until(async () => (await shell.logs.findOne({ ip: '198.51.100.7' }))?.['linkedTo'] === 'portcullis:ban:user:7'),
    'the address names the one who still holds it')
  const scoreOf = async (subject: string) => (await scores.list(subject)).map(({ score }) => score)
  t.ok(await until(async () => (await scoreOf('user:42'))[0] === 0))
  t.strictSame([await scoreOf('ip:203.0.113.9'), await scoreOf('user:7')], [[0], [5]])

  await book.place(pairOf('42', '203.0.113.9'))
  t.ok(await shell.lists('ip:198.51.100.7', 'ip:203.0.113.9', 'user:42', 'user:7'), 'banned again, written again')
  t.ok(await until(() => isRecorded({ book, records }), 5000))
  await shell.logs.deleteOne({ ip: '203.0.113.9', type: 'ban' })
  t.ok(await until(() => book.get('ip:203.0.113.9') === undefined, WITHIN_MS))
  t.ok(book.get('user:42'), 'deleting an address frees that address only')

  await shell.logs.deleteMany({ type: 'ban' })
  t.ok(await until(() => book.size === 0, WITHIN_MS), 'deleteMany({type: "ban"}) lifts all')
})

t.test('a collection that was dropped or emptied lifts nothing and is written anew', async (t) => {
  const { book, shell, records, lines, scores } = await rig(t)
  await book.place([...pairOf('42', '203.0.113.9'), ...pairOf('7', '198.51.100.7')])
  const all = ['ip:198.51.100.7', 'ip:203.0.113.9', 'user:42', 'user:7']
  for (const empty of [() => shell.logs.drop(), () => shell.logs.deleteMany({}), () => shell.logs.deleteMany({ key: /^portcullis:/ })]) {
    t.ok(await shell.lists(...all))
    t.ok(await until(() => isRecorded({ book, records }), 5000))
    const before = (await shell.logs.findOne({ key: 'portcullis:collection' }))?.['incarnation']
    t.type(before, 'string')
    await empty()
    t.ok(await until(async () => {
      const now = (await shell.logs.findOne({ key: 'portcullis:collection' }))?.['incarnation']
      return now !== undefined && now !== before
    }, 10_000), 'a collection of its own identity')
    t.ok(await shell.lists(...all), 'all documents again')
    t.equal(book.size, 4)
  }
  // Only the marker is gone: then nobody knows what was deleted.
  await shell.logs.deleteMany({ key: { $in: ['portcullis:collection', 'portcullis:ban:user:42'] } })
  t.ok(await shell.lists(...all))
  t.equal(book.size, 4)
  t.strictSame(await scores.list(), [])
  t.ok(lines.some(({ message }) => message.includes('nothing is lifted')))
  t.ok(await until(() => isRecorded({ book, records }), 5000))
  await shell.logs.deleteOne({ user: '42', type: 'ban' })
  t.ok(await until(() => book.get('user:42') === undefined, WITHIN_MS), 'deletions count in the new one')
})

t.test('documents and indexes of others stay as they are', async (t) => {
  const uri = freshUri()
  const shell = await openShell(t, uri)
  const past = new Date(Date.now() - HOUR)
  const app = [
    { key: 'BANS:42', value: '{"value":{"type":"message_limit"}}', expiresAt: past },
    { key: 'BANS:203.0.113.9', value: '{}', expiresAt: past, type: 'ban', user: '42' },
    { key: 'ban:42', value: '{"value":true,"expires":null}', expiresAt: null },
    { key: 'ENCODED_DOMAINS:x', value: 'y' },
    { key: 'portcullis:bandage', expiresAt: past },
    { key: 'portcullis', expiresAt: past },
  ]
  await shell.logs.insertMany(app.map((row, index) => ({ _id: `app${index}`, ...row })))
  await shell.logs.createIndex({ key: 1 }, { name: 'theirs' })
  const theirs = () => shell.logs.find({ _id: /^app/ }).sort({ _id: 1 }).toArray()
  const before = JSON.stringify(await theirs())
  let now = Date.now()
  const { book, records, close, dir } = await openInstance(t, uri, { clock: () => now })
  await book.place([...pairOf('42', '203.0.113.9'), { ...pairOf('9', '192.0.2.1', { expiresAt: null })[0]!, linked: [] }])
  t.ok(await until(() => isRecorded({ book, records }), 5000))
  await shell.logs.deleteMany({ _id: 'app1' })
  await shell.logs.insertOne({ _id: 'app1', ...app[1] })
  t.ok(book.get('user:42'), 'the app\'s rows mean nothing to us')

  await close()
  now += 3 * HOUR
  const later = await openInstance(t, uri, { clock: () => now, dir })
  t.ok(await until(async () => (await shell.logs.countDocuments({ key: /^portcullis:ban:/ })) === 1, 20_000),
    'what has run out is gone, the ban for ever stays')
  t.equal(later.book.size, 1)
  t.equal(JSON.stringify(await theirs()), before)
  t.strictSame((await shell.logs.listIndexes().toArray()).map(({ name }) => name).filter((name) => !/^portcullis/.test(name)),
    ['_id_', 'theirs'])
})

t.test('a deletion counts at the next contact: made while we were stopped, or cut off', async (t) => {
  const uri = freshUri()
  const shell = await openShell(t, uri)
  const wire = await startWire(t, uri, () => undefined)
  const first = await openInstance(t, wire.uri)
  const bans = [...pairOf('42', '203.0.113.9'), ...pairOf('7', '198.51.100.7')]
  await first.book.place([...bans, ...pairOf('9', '192.0.2.9')])
  t.ok(await until(() => isRecorded(first), 5000))
  await first.close()
  await shell.logs.deleteOne({ user: '42', type: 'ban' })

  const second = await openInstance(t, wire.uri, { dir: first.dir })
  t.ok(second.book.get('user:42'), 'not before the contact')
  t.ok(await until(() => second.book.get('user:42') === undefined, WITHIN_MS))
  t.equal(second.book.get('ip:203.0.113.9'), undefined)

  wire.cut()
  t.ok(await until(() => second.records.health().status === 'degraded', 15_000))
  await shell.logs.deleteOne({ user: '7', type: 'ban' })
  await second.book.place(pairOf('99', '192.0.2.99'))
  await second.book.lift('user:9', { by: 'admin' })
  t.ok(second.book.get('user:7'), 'away lifts nothing')
  wire.mend()
  t.ok(await until(() => second.book.get('user:7') === undefined, 15_000))
  t.ok(await shell.lists('ip:192.0.2.99', 'user:99'), 'written and deleted late: what was banned and lifted meanwhile')
  t.equal(second.book.size, 2)
})

t.test('instances that share only the collection share the operator\'s deletions, not their bans', async (t) => {
  const uri = freshUri()
  const shell = await openShell(t, uri)
  const one = await openInstance(t, uri)
  const other = await openInstance(t, uri)
  await Promise.all([
    one.book.place([...pairOf('42', '203.0.113.9'), ...pairOf('1', '192.0.2.1')]),
    other.book.place([...pairOf('42', '203.0.113.9'), ...pairOf('2', '192.0.2.2')]),
  ])
  t.ok(await shell.lists('ip:192.0.2.1', 'ip:192.0.2.2', 'ip:203.0.113.9', 'user:1', 'user:2', 'user:42'), 'one document each')
  t.ok(await until(() => isRecorded(one) && isRecorded(other)))
  t.notOk(one.book.get('user:2'))
  await shell.logs.deleteOne({ user: '42', type: 'ban' })
  t.ok(await until(() => one.book.get('user:42') === undefined && other.book.get('user:42') === undefined, WITHIN_MS))
  t.ok(one.book.get('user:1') && other.book.get('user:2'))
})

t.test('a ban that ends within moments is not lifted by its document\'s early end', async (t) => {
  let now = Date.now()
  const { book, records, shell, scores } = await rig(t, { clock: () => now })
  await book.place([{ ...BAN, subject: 'user:42', createdAt: now, expiresAt: now + 10_000 }])
  await scores.book({
    id: 'x', now,
    breach: { type: 'message_limit', subject: 'user:42', score: 5, interval: 20, scope: 'type', ttlMs: null, shadow: false },
  })
  t.ok(await until(() => isRecorded({ book, records }), 5000))
  now += 8000
  await shell.logs.deleteOne({ user: '42', type: 'ban' })
  await book.place([{ ...BAN, subject: 'user:1', createdAt: now, expiresAt: now + HOUR }])
  t.ok(await shell.lists('user:1'))
  await shell.logs.deleteOne({ user: '1', type: 'ban' })
  t.ok(await until(() => book.get('user:1') === undefined, WITHIN_MS), 'this look has seen both')
  t.ok(book.get('user:42'))
  t.equal((await scores.list('user:42'))[0]?.score, 5)
})

t.test('a server that is away at the start, killed in the middle and back again loses no document', async (t) => {
  const shell = await openShell(t, server.uri)
  await server.kill()
  const instance = await openInstance(t, server.uri)
  const { book, records, lines } = instance
  const began = performance.now()
  await book.place(pairOf('1', '192.0.2.1'))
  t.ok(performance.now() - began < 1000, 'nobody waits for it')
  t.equal(book.find([{ id: '1' }], '', Date.now())?.subject, 'user:1')
  t.equal(records.health().status, 'degraded')
  t.match(records.meters.find(({ name }) => name.endsWith('waiting'))?.read(), 2)
  t.ok(await until(() => records.health().reason === 'MongoDB is away: 2 ban documents wait', 15_000))
  await server.start()
  t.ok(await until(() => isRecorded(instance), 15_000))
  t.ok(await shell.lists('ip:192.0.2.1', 'user:1'))

  await server.kill()
  for (let id = 100; id < 400; id++) await book.place([{ ...pairOf(String(id), '192.0.2.1')[0]!, linked: [] }])
  await book.lift('user:1', { by: 'admin' })
  t.ok(await until(() => records.health().status === 'degraded', 15_000))
  t.match(records.health().reason, /MongoDB is away: 3\d\d ban documents wait/)
  await server.start()
  t.ok(await until(async () => (await shell.logs.countDocuments({ type: 'ban' })) === 300, 15_000))
  t.notOk(await shell.logs.findOne({ user: '1' }), 'lifted meanwhile')
  t.ok(await until(() => isRecorded(instance), 5000))
  t.equal(book.size, 300)
  t.equal(records.meters.find(({ name }) => name.endsWith('waiting'))?.read(), 0)
  const told = lines.filter(({ level }) => level === 'warn').map(({ message }) => message)
  t.ok(told.length <= 3 && told.every((message) => message.startsWith('MongoDB is away')), 'told once each time')
})

t.test('a server that never comes costs neither memory nor the end', async (t) => {
  const { book, records, lines, close } = await openInstance(t, 'mongodb://127.0.0.1:1/none', { maxWaiting: 10 })
  for (let id = 0; id < 20; id++) {
    await book.place([{ ...BAN, subject: `user:${id}`, createdAt: Date.now(), expiresAt: null }])
    await book.lift(`user:${id}`, { by: 'admin' })
  }
  const read = (name: string) => records.meters.find((meter) => meter.name.includes(name))?.read()
  t.strictSame([read('waiting'), read('dropped')], [10, 10], 'what finds no room is counted')
  t.equal(lines.filter(({ message }) => message.includes('too many lifts')).length, 1)
  const began = performance.now()
  await close()
  t.ok(performance.now() - began < 6000)
  t.ok(lines.some(({ message }) => message.includes('documents of lifted bans stay')))
})
