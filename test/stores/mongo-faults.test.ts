import { Long, type Document } from 'mongodb'
import t, { type Test } from 'tap'
import type { Ban } from '../../src/bans/contract.js'
import { receiptOf } from '../../src/stores/mongo/ban-documents.js'
import { createBanQueue } from '../../src/stores/mongo/ban-queue.js'
import { openMongo } from '../../src/stores/mongo/mongo.js'
import { createRecorder } from '../../src/stores/mongo/recorder.js'
import { until } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import { isRecorded, openInstance, openShell, pairOf, startWire, type Answer } from './mongo-rig.js'
import { collectLog } from './open-stores.js'

const FORBIDDEN = { ok: 0, code: 13, codeName: 'Unauthorized', errmsg: 'not authorized on chat to execute command' }
const server = await startMongo(t)
const shell = await openShell(t, server.uri)
t.beforeEach(() => shell.logs.drop())

/** The server's commands from now on go through here. */
async function between (t: Test, answer: (command: Document) => Answer) {
  return (await startWire(t, server.uri, answer)).uri
}

t.test('a user without the right to write is told of once; bans hold, nothing storms', async (t) => {
  let writes = 0
  const uri = await between(t, (command) => {
    if (!(command['insert'] || command['update'] || command['delete'] || command['createIndexes'])) return undefined
    writes++
    return FORBIDDEN
  })
  const { book, records, lines } = await openInstance(t, uri, { lookEveryMs: 20 })
  await book.place(pairOf('42', '203.0.113.9'))
  const said = /may not read and write the collection logs: 2 ban documents wait/
  t.ok(await until(() => said.test(records.health().reason ?? '')))
  for (let id = 0; id < 50; id++) await book.place(pairOf(String(id), '192.0.2.1'))
  // Long enough for many looks.
  t.ok(await until(async () => (await shell.logs.countDocuments()) > 0 || writes > 3) === false)
  t.equal(writes, 1, 'it is tried again after a minute, not with every ban')
  t.equal(lines.filter(({ level }) => level === 'warn').length, 1)
  t.match(lines.find(({ level }) => level === 'warn')?.message, /may not read and write/)
  t.ok(book.get('user:42'))
})

t.test('rights that were taken away later do not keep deletions from being seen', async (t) => {
  let mayWrite = true
  const uri = await between(t, (command) => {
    return mayWrite || !(command['insert'] || command['update'] || command['delete']) ? undefined : FORBIDDEN
  })
  const { book, records } = await openInstance(t, uri)
  await book.place(pairOf('42', '203.0.113.9'))
  t.ok(await until(() => isRecorded({ book, records }), 5000))
  mayWrite = false
  await book.place(pairOf('7', '192.0.2.1'))
  t.ok(await until(() => records.health().status === 'degraded'))
  await shell.logs.deleteOne({ user: '42', type: 'ban' })
  t.ok(await until(() => book.get('user:42') === undefined, 5000))
  t.ok(book.get('user:7'))
})

t.test('the TTL index holds only our keys, and goes again where the server ignores a part of it', async (t) => {
  let made: Document[] = []
  let ignored: string | undefined
  const dropped: unknown[] = []
  let sweeps = 0
  const uri = await between(t, (command) => {
    if (command['delete'] !== undefined) sweeps++
    if (command['listIndexes'] !== undefined) {
      return { ok: 1, cursor: { id: Long.ZERO, ns: 'x.logs', firstBatch: [{ v: 2, key: { _id: 1 }, name: '_id_' }, ...made] } }
    }
    if (command['dropIndexes'] !== undefined) { dropped.push(command['index']); made = [] } else if (command['createIndexes'] !== undefined) {
      made = (command['indexes'] as Document[]).map((index) => ignored === undefined ? index : { ...index, [ignored]: undefined })
    } else return undefined
    return { ok: 1 }
  })
  const good = await openInstance(t, uri)
  t.ok(await until(() => good.records.health().status === 'ok', 5000))
  t.match(made, [{
    name: 'portcullis_ban_expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0,
    partialFilterExpression: { key: { $gte: 'portcullis:ban:', $lt: 'portcullis:ban;' } },
  }])
  await good.book.place(pairOf('1', '192.0.2.1'))
  t.ok(await until(() => isRecorded(good), 5000))
  t.equal(sweeps, 0, 'the server does it')
  await good.close()

  for (const option of ['partialFilterExpression', 'expireAfterSeconds']) {
    ignored = option
    made = []
    sweeps = 0
    const instance = await openInstance(t, uri)
    t.ok(await until(() => sweeps > 1, 5000), 'we do it')
    t.strictSame(made, [])
    t.equal(dropped.pop(), 'portcullis_ban_expiry')
    await instance.close()
  }
  t.strictSame(dropped, [], 'nobody else\'s index')
})

t.test('where there is a replica set, the change stream tells of deletions', async (t) => {
  const id = Long.fromNumber(4711)
  const ns = 'x.logs'
  let token = 0
  let pipeline: Document | undefined
  let tell: ((events: Document[]) => void) | undefined
  let isRefused = false
  const events = (batch: Document[], name: string): Document =>
    ({ ok: 1, cursor: { id, ns, [name]: batch, postBatchResumeToken: { _data: String(token) } } })
  const uri = await between(t, (command): Answer => {
    if (command['hello'] !== undefined && command['$db'] !== 'admin') return { ok: 1, setName: 'rs0', isWritablePrimary: true }
    if (command['aggregate'] !== undefined && command['pipeline'][0].$changeStream !== undefined) {
      pipeline = command['pipeline'][1]
      return isRefused ? FORBIDDEN : events([], 'firstBatch')
    }
    if (command['killCursors'] !== undefined) return { ok: 1 }
    if (command['getMore'] === undefined) return undefined
    return new Promise((resolve) => {
      const idle = setTimeout(() => resolve(events([], 'nextBatch')), 500)
      tell = (batch) => { clearTimeout(idle); resolve(events(batch, 'nextBatch')) }
    })
  })
  const instance = await openInstance(t, uri, { lookEveryMs: 60_000 })
  const { book, records } = instance
  await book.place(pairOf('42', '203.0.113.9'))
  t.ok(await until(() => isRecorded({ book, records }) && tell !== undefined, 5000))
  t.match(pipeline, { $match: { $or: [{ operationType: 'delete', 'documentKey._id': { $gte: 'portcullis:' } }, {}] } })
  await shell.logs.deleteOne({ user: '42', type: 'ban' })
  t.ok(book.get('user:42'), 'no look is due for a minute')
  tell?.([{ _id: { _data: String(++token) }, operationType: 'delete', ns: {}, documentKey: { _id: 'portcullis:ban:user:42' } }])
  t.ok(await until(() => book.get('user:42') === undefined, 1500), 'far sooner than by looking')
  await instance.close()

  isRefused = true
  const other = await openInstance(t, uri)
  await other.book.place(pairOf('7', '203.0.113.9'))
  t.ok(await until(() => isRecorded(other), 5000))
  await shell.logs.deleteOne({ user: '7', type: 'ban' })
  t.ok(await until(() => other.book.get('user:7') === undefined, 5000), 'a user who may not watch: by looking')
  t.equal(other.lines.filter(({ message }) => message.includes('does not tell')).length, 1)
})

t.test('what is missing is asked about again before anything is lifted', async (t) => {
  /** What happens just before the next looks. */
  const before: (() => Promise<unknown>)[] = []
  const uri = await between(t, async (command) => {
    if (command['find'] !== undefined) await before.shift()?.()
    return undefined
  })
  const { book, records, lines } = await openInstance(t, uri)
  await book.place([...pairOf('42', '203.0.113.9'), ...pairOf('7', '192.0.2.1')])
  const documents = async () => (await shell.logs.find({}).toArray()).length
  for (const meanwhile of ['the rest is emptied', 'the document is back']) {
    t.ok(await until(async () => isRecorded({ book, records }) && await documents() === 5, 5000))
    const rows = await shell.logs.find({}).toArray()
    before.push(() => shell.logs.deleteMany({ type: 'ban' }), () => meanwhile === 'the rest is emptied'
      ? shell.logs.deleteMany({})
      : shell.logs.insertMany(rows.filter(({ type }) => type === 'ban')))
    t.ok(await until(() => before.length === 0, 5000), meanwhile)
    t.ok(await until(async () => await documents() === 5, 10_000))
    t.equal(book.size, 4)
  }
  t.notOk(lines.some(({ message }) => message.includes('were deleted')))
})

t.test('one document that the server refuses does not keep the others out', async (t) => {
  const refuses = (update: Document) => update['q']._id === 'portcullis:ban:user:42'
  const uri = await between(t, (command) => {
    const updates: Document[] = command['updates'] ?? []
    const index = updates.findIndex(refuses)
    if (index === -1) return undefined
    return { ok: 1, n: 1, writeErrors: [{ index, code: 121, errmsg: 'Document failed validation' }] }
  })
  const { book, records, lines } = await openInstance(t, uri)
  await book.place(pairOf('42', '203.0.113.9'))
  t.ok(await until(() => book.get('ip:203.0.113.9')?.recorded !== undefined, 5000))
  t.equal(book.get('user:42')?.recorded, undefined)
  t.ok(await until(() => records.health().status === 'ok'))
  t.ok(await until(() => lines.some(({ message }) => message.includes('refused'))))
  t.equal(lines.filter(({ level }) => level === 'warn').length, 1)
})

t.test('the queue keeps the newest word on each subject, within its bound', async (t) => {
  let now = 1000
  const queue = createBanQueue({ clock: () => now, maxEntries: 2 })
  const [ban] = pairOf('1', '192.0.2.1')
  const lifted = (subject: string) => queue.add({ kind: 'lifted', subject, by: 'x', remote: false })
  queue.add({ kind: 'placed', ban: ban!, remote: false })
  t.ok(queue.hasPlaced('user:1'))
  lifted('user:1')
  t.notOk(queue.hasPlaced('user:1'))
  const taken = queue.takeLifted(10)
  t.strictSame(taken, [{ subject: 'user:1', liftedAt: 1000 }])
  now = 2000
  lifted('user:1')
  queue.putBack([...taken, { subject: 'user:2', liftedAt: 1 }])
  t.strictSame(queue.takeLifted(1), [{ subject: 'user:1', liftedAt: 2000 }], 'what came since is newer')
  queue.add({ kind: 'placed', ban: ban!, remote: true })
  queue.putBack(taken)
  t.equal(queue.lifts, 1, 'banned again: not to be deleted')
  for (const subject of ['user:3', 'user:4', 'user:5', 'user:3']) lifted(subject)
  t.strictSame([queue.lifts, queue.dropped], [2, 2])
})

t.test('a document that another instance has written is not written again, as it may be deleted by now', async (t) => {
  const queue = createBanQueue({ clock: Date.now, maxEntries: 10 })
  const [ban] = pairOf('1', '192.0.2.1') as [Ban, Ban]
  let standing: Ban | undefined = ban
  const written: Ban[] = []
  const recorder = createRecorder({
    queue,
    book: { get: () => standing, markRecorded: async () => {} },
    collection: { put: async (bans) => { written.push(...bans); return bans }, remove: async () => [] },
    log: collectLog().log,
  })
  const placed = (inMs?: number) => queue.add({ kind: 'placed', ban, remote: true }, inMs)
  const look = { incarnation: 'c', ends: new Map() }
  placed(60_000)
  await recorder.writeChanges('c')
  await recorder.settle([ban], look, 'c')
  t.same(written, [], 'the other is about to write it')
  t.ok(queue.remoteInMs > 50_000)
  t.notOk(queue.hasPlaced(ban.subject), 'its deletion counts meanwhile')
  placed()
  standing = { ...ban, recorded: receiptOf(ban, 'c') }
  t.equal(queue.remoteInMs, 0)
  await recorder.writeChanges('c')
  await recorder.settle([ban], look, 'c')
  t.same(written, [], 'the other has written it')
  placed()
  await recorder.writeChanges('d')
  t.same(written.splice(0), [standing], 'into another collection')
  standing = ban
  placed()
  await recorder.writeChanges('c')
  t.same(written.splice(0), [ban], 'the other did not write it')
  t.equal(queue.remoteInMs, Infinity)
})

t.test('a connection string that cannot be read is misuse, one that leads nowhere is not', async (t) => {
  t.throws(() => openMongo({ uri: 'redis://x' }))
  const mongo = openMongo({ uri: 'mongodb://127.0.0.1:1/chat?w=0&readPreference=secondary' })
  t.equal(mongo.logs.dbName, 'chat')
  t.match(mongo.logs.writeConcern, { w: 'majority' }, 'an acknowledgement means something whatever the string says')
  t.equal(mongo.logs.readPreference?.mode, 'primary')
  await t.rejects(mongo.hasChangeStreams())
  await mongo.close()
  const unnamed = openMongo({ uri: 'mongodb://127.0.0.1:1' })
  t.equal(unnamed.users.dbName, 'test', 'the driver\'s default')
  await unnamed.close()
})
