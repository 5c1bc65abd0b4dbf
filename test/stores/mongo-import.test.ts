import { Long, ObjectId, type Document } from 'mongodb'
import t, { type Test } from 'tap'
import { importedSubject } from '../../src/bans/bans.js'
import type { Ban } from '../../src/bans/contract.js'
import { readBackendRow } from '../../src/stores/mongo/backend-row.js'
import { createBackendRows } from '../../src/stores/mongo/backend-rows.js'
import { createBanImport } from '../../src/stores/mongo/ban-import.js'
import { openMongo } from '../../src/stores/mongo/mongo.js'
import { until } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import { HOUR, openApp, rowOf } from './backend-rig.js'
import { openInstance, openShell, pairOf, startWire, type Answer, type InstanceOptions } from './mongo-rig.js'

const WITHIN_MS = 5000
const NOW = Date.UTC(2026, 10, 21, 12)
const ID = '6650c0ffee6650c0ffee0001'
const OTHER = '6650c0ffee6650c0ffee0002'
const server = await startMongo(t)
let databases = 0

async function rig (t: Test, options: InstanceOptions = {}) {
  const url = new URL(server.uri)
  url.pathname += `_${++databases}`
  const shell = await openShell(t, url.href)
  const instance = await openInstance(t, url.href, options)
  const { book } = instance
  const app = openApp(shell.logs)
  const holds = (id: string) => book.find([{ id }], '', (options.clock ?? Date.now)()) !== undefined
  /** A row that is new is taken over: then every older one has been looked at. */
  const looked = async () => {
    const id = `witness-${++databases}`
    await app.insert(rowOf(id, Date.now() + HOUR))
    return await until(() => holds(id), 15_000)
  }
  return { uri: url.href, shell, app, holds, looked, ...instance }
}

t.test('a row is read as the app means it', async (t) => {
  const end = NOW + HOUR
  const read = (row: Document) => readBackendRow({ _id: new ObjectId(), ...row }, NOW)
  t.match(read(rowOf(ID, end)), {
    subject: importedSubject(ID), violation: 'message_limit', score: 20, createdAt: end - 2 * HOUR, expiresAt: end,
    source: 'backend', linked: [], row: /^[\w-]{22}$/,
  })
  const endOf = (row: Document) => read(row)?.expiresAt
  t.equal(endOf(rowOf(ID, end, { expires: end - 5 })), end - 5, 'of several ends the first counts')
  t.equal(endOf(rowOf(ID, end, { record: { expiresAt: null }, expires: null })), end, 'the document\'s own')
  t.equal(endOf(rowOf(ID, end, { record: { expiresAt: new Date(end) }, expires: null, expiresAt: null })), end)
  const unreadable = { record: { expiresAt: null }, expires: null }
  for (const expiresAt of [null, undefined, new Date(NaN), 'soon', {}, 0, -1, 1e300]) {
    t.equal(endOf(rowOf(ID, end, { ...unreadable, expiresAt })), null, `no end: ${String(expiresAt)}`)
  }
  t.match(read({ key: `BANS:${ID}`, value: '{"value":true,"expires":null}', expiresAt: null }),
    { violation: 'ban', score: 0, createdAt: NOW, expiresAt: null }, 'poisoned: it bans while it is there, as in the app')
  t.match(read(rowOf(ID, end, { record: { type: { $gt: '' }, violation_count: 'many', duration: -1 } })),
    { violation: 'ban', score: 0, createdAt: NOW })
  t.equal(read(rowOf(ID, end, { record: { duration: 1e300 } }))?.createdAt, 1)
  t.equal(read(rowOf(ID, end, { record: { user_id: ID } }))?.expiresAt, end)
})

t.test('what is no ban of a user is none of ours', async (t) => {
  const end = NOW + HOUR
  const { value } = rowOf(ID, end)
  const strangers: readonly Document[] = [
    rowOf('203.0.113.9', end), rowOf('203.0.113.9:5555', end), rowOf('2001:db8::1', end), rowOf('::ffff:192.0.2.1', end),
    rowOf('[2001:db8::1]:443', end), rowOf('2001:db8::/64', end), rowOf('office', end, { record: { user_id: ID } }),
    rowOf('office', end, { record: { user_id: { toString: 1 } } }),
    rowOf('undefined', end), rowOf('null', end), rowOf('', end), rowOf('a\nb', end), rowOf('x'.repeat(257), end), rowOf('\ud800', end),
    rowOf('key:abc', end), rowOf(ID, NOW), rowOf(ID, end, { expires: NOW - 1 }), rowOf(ID, end, { expiresAt: new Date(1) }),
    { key: `ban:${ID}`, value }, { key: `bans:${ID}`, value }, { key: 42, value }, { value }, { key: null, value },
    ...['', 'null', '[]', '7', '{', '{}', '{"value":null}', '{"value":0}', '{"value":false,"expires":1}', '['.repeat(8000), 'x'.repeat(9000)]
      .map((text) => ({ key: `BANS:${ID}`, value: text, expiresAt: new Date(end) })),
    { key: `BANS:${ID}`, value: { value: {} } }, { key: `BANS:${ID}` }, { key: `BANS:${ID}`, value: null },
  ]
  for (const row of strangers) t.equal(readBackendRow(row, NOW), undefined, JSON.stringify(row).slice(0, 100))
})

t.test('a row that is written anew has another fingerprint', async (t) => {
  const row = { _id: new ObjectId(), ...rowOf(ID, NOW + HOUR) }
  const fingerprint = (changed: Document) => readBackendRow({ ...row, ...changed }, NOW)?.row
  t.equal(fingerprint({}), fingerprint({ _id: new ObjectId(row._id.toHexString()) }))
  const others = [{ _id: new ObjectId() }, rowOf(ID, NOW + HOUR + 1), { expiresAt: null }].map(fingerprint)
  t.equal(new Set([...others, fingerprint({})]).size, 4)
})

t.test('the app\'s bans of users hold while their rows stand, and no row of the app is changed', async (t) => {
  const { app, book, records, shell, holds, looked } = await rig(t)
  const end = Date.now() + HOUR
  await app.insert(
    rowOf(ID, end), rowOf('203.0.113.9', end, { record: { user_id: ID } }), rowOf('gone', Date.now() - 1),
    { key: `ban:${OTHER}`, value: '{"value":true,"expires":null}', expiresAt: null },
    { key: `ban:ban_cache:user:${OTHER}`, value: rowOf(OTHER, end).value, expiresAt: new Date(end) },
    { key: 'BANS:poisoned', value: '{"value":true,"expires":null}', expiresAt: null },
    { key: 'BANS:broken', value: '{"value":', expiresAt: new Date(end) },
    { key: 'ENCODED_DOMAINS:x', value: 'y' }
  )
  const before = await app.everything()
  t.ok(await until(() => records.health().status === 'ok', WITHIN_MS))
  t.equal(book.size, 0, 'off, as it is at first')
  records.importBans(true)
  t.ok(await until(() => holds(ID), WITHIN_MS))
  t.ok(holds('poisoned'))
  t.notOk(holds(OTHER) || holds('gone') || holds('broken'))
  t.equal(book.find([], '203.0.113.9', Date.now()), undefined, 'addresses are not taken over')
  t.match(book.list()?.bans.map(({ subject, source }) => `${subject} ${source}`).sort(), ['user:6650c0ffee6650c0ffee0001 backend', 'user:poisoned backend'])
  t.match(book.list({ user: ID })?.bans, [{ subject: `user:${ID}`, expiresAt: end }])
  await app.set(rowOf('poisoned', end))
  t.ok(await until(() => book.list({ user: 'poisoned' })?.bans[0]?.expiresAt === end, WITHIN_MS), 'what changes, changes here')
  await app.set(rowOf('poisoned', end - 1000))
  t.ok(await until(() => book.list({ user: 'poisoned' })?.bans[0]?.expiresAt === end - 1000, WITHIN_MS), 'to a shorter one, too')
  await app.remove('poisoned')
  t.ok(await until(() => !holds('poisoned'), WITHIN_MS))
  await shell.logs.deleteMany({ key: /^(BANS:witness|BANS:poisoned)/ })
  t.equal(await app.everything(), JSON.stringify((JSON.parse(before) as Document[]).filter(({ key }) => key !== 'BANS:poisoned')))
  t.equal(await shell.logs.countDocuments({ type: 'ban' }), 0, 'no documents of ours of the app\'s bans')
  t.ok(await looked())
  await shell.logs.drop()
  t.ok(await until(() => !holds(ID), WITHIN_MS), 'a dropped collection has lost the app\'s bans for the app as well')
})

t.test('an operator\'s lift wins until the row changes or is written anew, and survives a restart', async (t) => {
  const { app, book, records, holds, looked, close, dir, uri, scores } = await rig(t)
  records.importBans(true)
  const row = rowOf(ID, Date.now() + HOUR)
  await app.insert(row)
  t.ok(await until(() => holds(ID), WITHIN_MS))
  const events: string[] = []
  book.on((event) => {
    const { subject } = event.kind === 'placed' ? event.ban : event
    if (subject === `user:${ID}`) events.push(event.kind)
  })
  await scores.book({
    id: 'x', now: Date.now(),
    breach: { type: 'message_limit', subject: `user:${ID}`, score: 5, interval: 20, scope: 'type', ttlMs: null, shadow: false },
  })
  t.strictSame(await book.lift(`user:${ID}`, { by: 'ann' }), [`user:${ID}`])
  t.strictSame(await book.lift(`user:${ID}`, { by: 'ann' }), [], 'there is nothing more to lift')
  t.notOk(holds(ID))
  t.strictSame(book.list({ user: ID })?.bans, [])
  t.ok(await looked() && await looked())
  t.notOk(holds(ID), 'the row stands as it was')
  t.strictSame(events, ['lifted'])
  await close()

  const later = await openInstance(t, uri, { dir })
  later.records.importBans(true)
  const banned = (id: string) => later.book.find([{ id }], '', Date.now()) !== undefined
  await app.insert(rowOf('second', Date.now() + HOUR))
  t.ok(await until(() => banned('second'), WITHIN_MS))
  t.notOk(banned(ID), 'after a restart')
  await app.set(rowOf(ID, Date.now() + 2 * HOUR))
  t.ok(await until(() => banned(ID), WITHIN_MS), 'changed: the app has banned him again')
  await later.book.lift(`user:${ID}`, { by: 'ann' })
  t.notOk(banned(ID))
  await app.remove(ID)
  await app.insert(rowOf('third', Date.now() + HOUR))
  t.ok(await until(() => banned('third'), WITHIN_MS))
  await app.insert(row)
  t.ok(await until(() => banned(ID), WITHIN_MS), 'written anew')
})

t.test('a ban of ours and the app\'s stand side by side: the later end holds, ours keeps its document', async (t) => {
  const { app, book, records, shell, holds, looked } = await rig(t)
  records.importBans(true)
  const [ours] = pairOf(ID, '203.0.113.9', { expiresAt: Date.now() + HOUR / 2 })
  await book.place([{ ...ours!, linked: [] }])
  const end = Date.now() + HOUR
  await app.insert(rowOf(ID, end, { record: { type: 'concurrent' } }))
  const found = () => book.find([{ id: ID }], '', Date.now())
  t.ok(await until(() => found()?.expiresAt === end, WITHIN_MS))
  t.match(found(), { subject: `user:${ID}`, source: 'backend', violation: 'concurrent' })
  t.equal(book.find([{ id: ID }], '', Date.now(), { manualOnly: true }), undefined, 'automatic bans off: neither holds')
  t.ok(await shell.lists(`user:${ID}`))
  t.equal((await shell.logs.findOne({ user: ID }))?.['expiresAt']?.getTime(), ours!.expiresAt, 'with its own end')
  t.equal(book.list({ user: ID })?.bans.length, 2)

  await app.remove(ID)
  t.ok(await until(() => found()?.source === 'auto', WITHIN_MS), 'ours stays when the app\'s goes')
  t.ok(await looked())
  t.equal(records.meters.find(({ name }) => name.endsWith('waiting'))?.read(), 0, 'no document waits for those of the app')
  t.ok(await shell.lists(`user:${ID}`))

  await app.insert(rowOf(ID, end))
  t.ok(await until(() => found()?.source === 'backend', WITHIN_MS))
  await shell.logs.deleteOne({ user: ID, type: 'ban' })
  t.ok(await until(() => !holds(ID), WITHIN_MS), 'deleting our document frees the person from both')
  t.ok(await looked())
  t.notOk(holds(ID))
})

t.test('switched off, what was taken over is lifted; switched on again, it is back', async (t) => {
  const { app, book, records, holds, close, dir, uri } = await rig(t)
  records.importBans(true)
  const own = pairOf('7', '203.0.113.9')
  await book.place(own)
  await app.insert(rowOf(ID, Date.now() + HOUR))
  t.ok(await until(() => holds(ID), WITHIN_MS))
  records.importBans(false)
  t.notOk(holds(ID), 'at once')
  t.ok(holds('7'))
  records.importBans(true)
  t.ok(await until(() => holds(ID), WITHIN_MS))
  await close()
  const later = await openInstance(t, uri, { dir })
  t.ok(later.book.find([{ id: ID }], '', Date.now()), 'kept on disk')
  later.records.importBans(false)
  t.notOk(later.book.find([{ id: ID }], '', Date.now()), 'switched off while we were stopped')
  t.ok(later.book.find([{ id: '7' }], '', Date.now()))
})

t.test('whoever begins with it off lifts nothing that may be others\'; switched off later, he does, once', async (t) => {
  const { app, book, records, holds, close, dir, uri } = await rig(t)
  records.importBans(true)
  await app.insert(rowOf(ID, Date.now() + HOUR))
  t.ok(await until(() => holds(ID), WITHIN_MS))
  await close()
  const shared = await openInstance(t, uri, { dir, isAlone: false })
  const banned = (id: string) => shared.book.find([{ id }], '', Date.now()) !== undefined
  shared.records.importBans(false)
  shared.records.importBans(false)
  t.ok(banned(ID))
  shared.records.importBans(true)
  await app.insert(rowOf(OTHER, Date.now() + HOUR))
  t.ok(await until(() => banned(OTHER), WITHIN_MS))
  shared.records.importBans(false)
  t.strictSame([banned(ID), banned(OTHER)], [false, false])
  const [ban] = [...book.all]
  await shared.book.place([{ ...ban!, createdAt: Date.now() }])
  shared.records.importBans(false)
  t.ok(banned(ID), 'a further reload with it off finds nothing of its own')
})

t.test('switched off and on again at once, everybody whose row stands is banned', async (t) => {
  const uri = new URL(server.uri)
  uri.pathname += `_${++databases}`
  const { book, lines } = await openInstance(t, uri.href)
  const users = Array.from({ length: 3500 }, (_, i) => `u${i}`)
  const bans: Ban[] = users.map((id) => ({
    subject: importedSubject(id), violation: 'ban', score: 0, createdAt: Date.now(), expiresAt: null,
    source: 'backend', linked: [], row: id,
  }))
  const all = async () => ({ bans: new Map(bans.map((ban) => [ban.subject, ban])), isWhole: true })
  const rows = { all, of: async () => new Map() }
  const log = { info () {}, warn () {}, error () {} }
  const imports = createBanImport({ rows, book, isAlone: false, clock: Date.now, log })
  imports.turn(true)
  await imports.look()
  let lifts = 0
  book.on(({ kind }) => { if (kind === 'lifted') lifts++ })
  imports.turn(false)
  t.equal(lifts, 1000, 'without keeping requests waiting')
  imports.turn(true)
  await imports.look()
  t.equal(book.size, users.length)
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.strictSame([book.size, lifts], [users.length, 1000], 'nobody is lifted any more')
  imports.turn(false)
  t.ok(await until(() => book.size === 0, WITHIN_MS))
  t.notOk(lines.some(({ level }) => level === 'error'))
})

t.test('a server that is away lifts nothing; a ban taken over ends by itself', async (t) => {
  let now = Date.now()
  const uri = new URL(server.uri)
  uri.pathname += `_${++databases}`
  const wire = await startWire(t, uri.href, () => undefined)
  const app = openApp((await openShell(t, uri.href)).logs)
  await app.insert(rowOf(ID, now + HOUR), rowOf(OTHER, now + 2 * HOUR))
  const { book, records, close, dir } = await openInstance(t, wire.uri, { clock: () => now })
  records.importBans(true)
  t.ok(await until(() => book.size === 2, WITHIN_MS))
  wire.cut()
  t.ok(await until(() => records.health().status === 'degraded', 15_000))
  await app.remove(OTHER)
  now += HOUR
  t.equal(book.find([{ id: ID }], '', now), undefined, 'its end has come')
  t.ok(book.find([{ id: OTHER }], '', now))
  await close()
  const later = await openInstance(t, wire.uri, { clock: () => now, dir })
  later.records.importBans(true)
  t.ok(later.book.find([{ id: OTHER }], '', now), 'after a restart without the server, too')
  wire.mend()
  t.ok(await until(() => later.book.size === 0, 15_000), 'the deletion counts at the next contact')
})

t.test('more rows than are taken over lift nobody who still stands there', async (t) => {
  const uri = new URL(server.uri)
  uri.pathname += `_${++databases}`
  const app = openApp((await openShell(t, uri.href)).logs)
  const { book } = await openInstance(t, uri.href)
  const mongo = openMongo({ uri: uri.href })
  t.teardown(() => mongo.close())
  const lines: string[] = []
  const say = (_: object, message: string) => { lines.push(message) }
  const log = { info: say, warn: say, error: say }
  const imports = createBanImport({ rows: createBackendRows(mongo.logs, 5), book, isAlone: true, clock: Date.now, log })
  imports.turn(true)
  const others = Array.from({ length: 12 }, (_, i) => `u${i}`)
  await app.insert(...others.map((id) => rowOf(id, Date.now() - 1)), rowOf(ID, Date.now() + HOUR))
  await imports.look()
  t.ok(book.find([{ id: ID }], '', Date.now()), 'those that have run out take nobody\'s place')
  t.strictSame(lines, ['bans of the chat app were taken over'])
  for (const id of others) await app.set(rowOf(id, Date.now() + HOUR))
  await imports.look()
  t.equal(book.size, 6, 'bounded: five, and he who was there before')
  t.ok(book.find([{ id: ID }], '', Date.now()))
  t.equal(lines.filter((line) => line.includes('more bans than are taken over')).length, 1)
  await app.remove(ID)
  await imports.look()
  t.notOk(book.find([{ id: ID }], '', Date.now()))
})

/** A server with change streams, whose events the test tells. */
async function streamRig (t: Test, answer: (command: Document) => Answer = () => undefined) {
  const id = Long.fromNumber(4711)
  let token = 0
  const pipelines: Document[] = []
  const untold: Document[] = []
  let wake = () => {}
  const cursor = (batch: Document[], name: string): Document =>
    ({ ok: 1, cursor: { id, ns: 'x.logs', [name]: batch, postBatchResumeToken: { _data: String(token) } } })
  const uri = new URL(server.uri)
  uri.pathname += `_${++databases}`
  const app = openApp((await openShell(t, uri.href)).logs)
  const wire = await startWire(t, uri.href, (command): Answer => {
    if (command['hello'] !== undefined && command['$db'] !== 'admin') return { ok: 1, setName: 'rs0', isWritablePrimary: true }
    if (command['aggregate'] !== undefined) {
      pipelines.push(command['pipeline'][1])
      return cursor([], 'firstBatch')
    }
    if (command['killCursors'] !== undefined) return { ok: 1 }
    if (command['getMore'] === undefined) return answer(command)
    return new Promise((resolve) => {
      const say = () => { clearTimeout(idle); wake = () => {}; resolve(cursor(untold.splice(0), 'nextBatch')) }
      const idle = setTimeout(say, untold.length > 0 ? 0 : 500)
      wake = say
    })
  })
  const tell = (operationType: string) => {
    untold.push({ _id: { _data: String(++token) }, operationType, ns: {}, documentKey: { _id: new ObjectId() } })
    wake()
  }
  const instance = await openInstance(t, wire.uri, { lookEveryMs: 60_000 })
  instance.records.importBans(true)
  t.ok(await until(() => pipelines.length > 0 && instance.records.health().status === 'ok', WITHIN_MS))
  return { app, tell, pipelines, ...instance }
}

t.test('a change stream tells of the app\'s rows as well, while they are wanted', async (t) => {
  const { app, tell, pipelines, book, records } = await streamRig(t)
  t.match(pipelines[0], { $match: { $or: [{}, {}, { 'fullDocument.key': { $gte: 'BANS:', $lt: 'BANS;' } }, { 'documentKey._id': { $not: {} } }] } })
  await app.insert(rowOf(ID, Date.now() + HOUR))
  tell('insert')
  t.ok(await until(() => book.size === 1, WITHIN_MS), 'far sooner than by looking')
  records.importBans(false)
  t.ok(await until(() => pipelines.length === 2, WITHIN_MS))
  t.equal(pipelines[1]?.['$match'].$or.length, 2, 'nothing of the app any more')
})

t.test('however often the app changes its documents, its bans are read now and then, and soon enough', async (t) => {
  for (const [delayMs, leastMs] of [[0, 600], [250, 1000]] as const) {
    let reads = 0
    const isImport = ({ find, filter }: Document) => find === 'logs' && filter.key?.$gte === 'BANS:'
    const { app, tell, book } = await streamRig(t, async (command) => {
      if (!isImport(command)) return undefined
      reads++
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      return undefined
    })
    await app.insert(rowOf(ID, Date.now() + HOUR))
    const busy = setInterval(() => { tell('update') }, 40)
    t.teardown(() => { clearInterval(busy) })
    t.ok(await until(() => book.size === 1, WITHIN_MS))
    // The pace goes by the shorter of two.
    const before = reads
    t.ok(await until(() => reads > before, WITHIN_MS))
    const from = reads
    const begun = performance.now()
    t.ok(await until(() => reads >= from + 2, 2 * WITHIN_MS), 'read again and again')
    const tookMs = performance.now() - begun
    t.ok(tookMs >= 2 * leastMs, `two reads in ${tookMs} ms, with answers after ${delayMs} ms`)
    await app.remove(ID)
    t.ok(await until(() => book.size === 0, WITHIN_MS), 'let in within five seconds')
    clearInterval(busy)
  }
})
