import { mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createAppendedFile } from '../../src/files/appended-file.js'
import { createSavedFile, replaceFile } from '../../src/files/saved-file.js'
import type { ViolationRecord } from '../../src/violations/contract.js'
import { createJournal, type JournalOptions } from '../../src/violations/journal.js'
import { banOf } from '../contract/bans.js'
import { bookingOf, breachFor, hitOf, limiterOf, questionOf } from '../contract/limiters.js'
import { infractionOf, messageOf, tooManyOf } from '../contract/suspensions.js'
import { collectLog, freshDir, openStores } from './open-stores.js'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const DAY = 86_400_000
/** What LibreChat leaves under our names. */
const KEYV_FILE = '{"cache":[["violations:message_limit:42",{"value":"{\\"value\\":3,\\"expires\\":null}"}]],"lastExpire":1795250239846}'

const readJson = async (dir: string, name: string) => JSON.parse(await readFile(join(dir, name), 'utf8'))

const record = (n: number): ViolationRecord => ({
  v: 1,
  date: new Date(NOW + n).toISOString(),
  type: 'message_limit',
  user: 'ann',
  ip: '203.0.113.9',
  rule: 'messageIp',
  score: 1,
  prev_count: n,
  violation_count: n + 1,
  route: 'POST /api/agents/chat/:endpoint',
  method: 'POST',
  requestId: `request-${n}`,
  mode: 'enforce',
})

async function openJournal (t: Test, part: Partial<JournalOptions> & { dataDir: string }) {
  const collected = collectLog()
  const journal = await createJournal({
    clock: () => NOW, log: collected.log, retentionMs: 90 * DAY, onDropped () {}, ...part,
  })
  t.teardown(() => journal.close())
  return { journal, lines: collected.lines }
}

async function journalLines (dir: string, name = 'logs.json'): Promise<ViolationRecord[]> {
  const text = await readFile(join(dir, name), 'utf8')
  t.ok(text === '' || text.endsWith('\n'))
  return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as ViolationRecord)
}

t.test('violations.json has the documented shape, and is read again', async (t) => {
  const dataDir = await freshDir(t)
  const clock = () => NOW
  const stores = await openStores(t, { dataDir, clock })
  await stores.scores.book(bookingOf(breachFor('user:42', { score: 2 }), NOW))
  await stores.scores.book(bookingOf(breachFor('ip:203.0.113.9', { type: 'logins', ttlMs: null }), NOW))
  await stores.scores.book(bookingOf(breachFor('user:__proto__', { type: '__proto__', score: 0.5 }), NOW))
  await stores.scores.book(bookingOf(breachFor('user:shadow', { shadow: true }), NOW))
  await stores.close()
  const text = await readFile(join(dataDir, 'violations.json'), 'utf8')
  t.match(JSON.parse(text), {
    $format: 1,
    message_limit: {
      'user:42': { total: 1, score: 2, updatedAt: '2026-11-21T12:00:00.000Z', scoreExpiresAt: '2026-11-21T13:00:00.000Z' },
    },
    logins: { 'ip:203.0.113.9': { total: 1, score: 1, scoreExpiresAt: null } },
  })
  t.notMatch(text, /shadow/)
  const again = await openStores(t, { dataDir, clock })
  t.equal((await again.scores.list()).length, 3)
  t.match(await again.scores.book(bookingOf(breachFor('user:42', { score: 19 }), NOW)), { before: 2, after: 21, crossed: true })
  t.match(await again.scores.list('user:__proto__'), [{ type: '__proto__', score: 0.5 }])
})

t.test('scores are on disk within a second, without being asked for, and thousands at once lose none', async (t) => {
  const dataDir = await freshDir(t)
  const stores = await openStores(t, { dataDir, clock: () => NOW })
  for (let i = 0; i < 5000; i++) await stores.scores.book(bookingOf(breachFor(`ip:${i}`), NOW))
  await sleep(1000)
  const kept = await readJson(dataDir, 'violations.json')
  t.equal(Object.keys(kept.message_limit).length, 5000)
})

t.test('records past the retention are gone after a start', async (t) => {
  const dataDir = await freshDir(t)
  const before = await openStores(t, { dataDir, clock: () => NOW })
  await before.scores.book(bookingOf(breachFor('user:old'), NOW - 91 * DAY))
  await before.scores.book(bookingOf(breachFor('user:new'), NOW))
  await before.flush()
  t.same(Object.keys((await readJson(dataDir, 'violations.json')).message_limit), ['user:new'])
})

t.test('the chat app\'s own files are set aside whole, and said', async (t) => {
  const dataDir = await freshDir(t)
  await writeFile(join(dataDir, 'violations.json'), KEYV_FILE)
  await writeFile(join(dataDir, 'logs.json'), KEYV_FILE)
  const { log, lines } = collectLog()
  const stores = await openStores(t, { dataDir, log, clock: () => NOW })
  const { journal } = await openJournal(t, { dataDir, log })
  await stores.scores.book(bookingOf(breachFor(), NOW))
  await stores.flush()
  journal.append(record(0))
  await journal.flush()
  t.equal(await readFile(join(dataDir, 'violations.json.2026-11-21T12-00-00.000Z'), 'utf8'), KEYV_FILE)
  t.equal(await readFile(join(dataDir, 'logs.json.2026-11-21T12-00-00.000Z'), 'utf8'), KEYV_FILE)
  t.match(lines, [{ level: 'warn' }, { level: 'warn' }])
  t.equal((await readJson(dataDir, 'violations.json')).$format, 1)
  t.match(await journalLines(dataDir), [{ v: 1 }])
})

t.test('damaged files are set aside, never over one another, and the start goes on', async (t) => {
  const dataDir = await freshDir(t)
  const names = ['violations.json', 'bans.json', 'windows.json', 'deliveries.jsonl', 'suspensions.json', 'messages.json', 'logs.json']
  const damaged = ['{"$format":1,"message_limit":{"user:4', '[]', 'null', '{"$format":99,"bans":[]}', '{"$format":1,"bans":[{"subject":7}]}']
  for (const content of damaged) {
    for (const name of names) await writeFile(join(dataDir, name), content)
    const stores = await openStores(t, { dataDir, clock: () => NOW })
    if (content !== damaged.at(-1)) t.same(await stores.scores.list(), [])
    t.same(await stores.bans.load(), [])
    const { journal } = await openJournal(t, { dataDir })
    await journal.close()
    await stores.close()
    await Promise.all(names.map((name) => rm(join(dataDir, name), { force: true })))
  }
  const aside = await readdir(dataDir)
  t.equal(aside.filter((name) => name.startsWith('bans.json.2026')).length, damaged.length)
  t.equal(aside.filter((name) => name.startsWith('logs.json.2026')).length, damaged.length)
})

t.test('records that make no sense are left out, the rest of the file counts', async (t) => {
  const dataDir = await freshDir(t)
  const good = { total: 3, score: 2, updatedAt: '2026-11-21T11:59:00.000Z', scoreExpiresAt: null }
  await writeFile(join(dataDir, 'violations.json'), JSON.stringify({
    $format: 1,
    logins: { 'ip:1': good, 'ip:2': { ...good, score: 'many' }, 'ip:3': null, 'ip:4': { ...good, updatedAt: 'yesterday' }, 'ip:5': { ...good, total: -1 } },
    other: [],
  }))
  const { scores } = await openStores(t, { dataDir, clock: () => NOW })
  t.same((await scores.list()).map(({ subject }) => subject), ['ip:1'])
})

t.test('windows of limiters with persist survive a restart, others do not', async (t) => {
  const dataDir = await freshDir(t)
  const limiters = (['fixed-window', 'sliding-window', 'gcra'] as const).flatMap((algorithm) => [
    limiterOf(`${algorithm} kept`, { algorithm, persist: true, max: 2 }), limiterOf(algorithm, { algorithm, max: 2 }),
  ])
  limiters.push(limiterOf('large kept', { algorithm: 'sliding-window', persist: true, max: 2000 }))
  const hits = limiters.map((limiter) => hitOf(limiter))
  const before = await openStores(t, { dataDir, clock: () => NOW })
  await before.counters.decide(questionOf(hits, NOW))
  await before.close()
  const after = await openStores(t, { dataDir, clock: () => NOW + 1 })
  const { states } = await after.counters.decide(questionOf(hits.map((hit) => ({ ...hit, peek: true })), NOW + 1))
  t.same(states.map(({ remaining }) => remaining), [1, 2, 1, 2, 1, 2, 1999])
  const muchLater = await openStores(t, { dataDir, clock: () => NOW + DAY })
  t.equal(muchLater.stats().buckets, 0)
})

t.test('a ban that cannot be written is rejected, told once, and on disk as soon as the disk is back', async (t) => {
  const dataDir = await freshDir(t)
  const { log, lines } = collectLog()
  const { bans } = await openStores(t, { dataDir, log, clock: () => NOW })
  const one = banOf('user:1')
  // A directory of that name stands in the way, for root too.
  await mkdir(join(dataDir, 'bans.json.tmp'))
  for (let i = 0; i < 20; i++) await t.rejects(bans.save([one]))
  t.equal(lines.filter(({ level }) => level === 'error').length, 1)
  await rm(join(dataDir, 'bans.json.tmp'), { recursive: true })
  await bans.save([])
  t.match(await readJson(dataDir, 'bans.json'), { bans: [{ subject: 'user:1' }] })
  t.match(lines.at(-1), { level: 'info' })
})

t.test('a file is replaced whole and with its own mode, whatever stood at its draft\'s name', async (t) => {
  const dir = await freshDir(t)
  const [path, elsewhere] = [join(dir, 'secret'), join(dir, 'elsewhere')]
  const modeOf = async () => ((await stat(path)).mode & 0o777).toString(8)
  await writeFile(`${path}.tmp`, 'left behind', { mode: 0o644 })
  await replaceFile(path, ['a', 'b'], 0o600)
  t.same([await readFile(path, 'utf8'), await modeOf()], ['ab', '600'])
  await writeFile(elsewhere, 'untouched')
  await symlink(elsewhere, `${path}.tmp`)
  await replaceFile(path, ['c'])
  t.same([await readFile(path, 'utf8'), await modeOf()], ['c', (0o640 & ~process.umask()).toString(8)])
  t.equal(await readFile(elsewhere, 'utf8'), 'untouched')
  t.same((await readdir(dir)).sort(), ['elsewhere', 'secret'])
})

t.test('a hundred saves at once are two writes, each holding all that was there when it began', async (t) => {
  const dataDir = await freshDir(t)
  let state = 0
  const written: number[] = []
  const file = createSavedFile({
    path: join(dataDir, 'x.json'), delayMs: 60_000, log: collectLog().log, render: () => { written.push(state); return [String(state)] },
  })
  const first = file.save()
  await sleep(0)
  const rest = Array.from({ length: 100 }, () => { state++; return file.save() })
  await Promise.all([first, ...rest])
  t.same(written, [0, 100])
  state = 7
  file.touch()
  await file.close()
  t.equal(await readFile(join(dataDir, 'x.json'), 'utf8'), '7')
  t.same(await readdir(dataDir), ['x.json'], 'no draft is left')
})

t.test('an appended file grows by lines, is written anew now and then, and whole again after a failure', async (t) => {
  const dir = await freshDir(t)
  const path = join(dir, 'sub', 'lines')
  const { log, lines: logged } = collectLog()
  const state = new Map<number, string>()
  const file = createAppendedFile({ path, render: () => ['head\n', ...state.values()], size: () => state.size, log })
  t.teardown(() => file.close())
  const add = async (key: number, value: string) => {
    state.set(key, `${value}\n`)
    file.add(`${value}\n`)
    await file.flush()
  }
  const linesIn = async () => (await readFile(path, 'utf8')).trimEnd().split('\n')
  await t.rejects(add(1, 'a'), { code: 'ENOENT' })
  await mkdir(join(dir, 'sub'))
  await add(2, 'b')
  t.strictSame(await linesIn(), ['head', 'a', 'b'])
  t.equal(logged.length, 2, 'that it failed, and that it works again')
  await Promise.all(['c', 'd', 'e'].map((value) => add(3, value)))
  t.strictSame(await linesIn(), ['head', 'a', 'b', 'c', 'd', 'e'])
  for (let n = 0; n < 1995; n++) file.add('e\n')
  await file.flush()
  t.equal((await linesIn()).length, 2001)
  await add(3, 'f')
  t.strictSame(await linesIn(), ['head', 'a', 'b', 'f'])
  await file.close()
  file.add('late\n')
  await file.flush()
  t.equal((await linesIn()).length, 4)
})

t.test('the journal is one line a violation, in order, also over a restart', async (t) => {
  const dataDir = await freshDir(t)
  const { journal } = await openJournal(t, { dataDir })
  for (let i = 0; i < 500; i++) {
    journal.append(record(i))
    if (i % 100 === 0) await sleep(1)
  }
  await journal.close()
  journal.append(record(9999))
  const again = await openJournal(t, { dataDir })
  again.journal.append(record(500))
  await again.journal.flush()
  t.same((await journalLines(dataDir)).map(({ prev_count: count }) => count), Array.from({ length: 501 }, (_, i) => i))
})

t.test('a half-written last line is cut off, and a file of nothing else is no stranger', async (t) => {
  for (const [whole, expected] of [[`${JSON.stringify(record(0))}\n`, 2], ['', 1]] as const) {
    const dataDir = await freshDir(t)
    await writeFile(join(dataDir, 'logs.json'), `${whole}{"v":1,"date":"2026-11-`)
    const { journal, lines } = await openJournal(t, { dataDir })
    journal.append(record(1))
    await journal.flush()
    t.equal((await journalLines(dataDir)).length, expected)
    t.same(lines, [])
  }
})

t.test('the journal is rotated by size into a few generations', async (t) => {
  const dataDir = await freshDir(t)
  const { journal } = await openJournal(t, { dataDir, maxBytes: 1000 })
  for (let i = 0; i < 60; i++) {
    journal.append(record(i))
    await journal.flush()
  }
  const names = (await readdir(dataDir)).sort()
  t.same(names, ['logs.1.json', 'logs.2.json', 'logs.3.json', 'logs.4.json', 'logs.5.json', 'logs.json'])
  const kept = (await Promise.all(['logs.2.json', 'logs.1.json', 'logs.json'].map((name) => journalLines(dataDir, name)))).flat()
  t.equal(kept.at(-1)?.prev_count, 59)
  t.ok(kept.every(({ prev_count: count }, i) => i === 0 || count === (kept[i - 1]?.prev_count ?? 0) + 1), 'nothing is lost between files')
  for (const name of names) t.ok((await stat(join(dataDir, name))).size <= 1000)
})

t.test('the journal is rotated by age, and files past the retention are deleted', async (t) => {
  const dataDir = await freshDir(t)
  const old = join(dataDir, 'logs.4.json')
  await writeFile(old, `${JSON.stringify(record(0))}\n`)
  await utimes(old, new Date(NOW - 91 * DAY), new Date(NOW - 91 * DAY))
  let now = NOW
  const { journal } = await openJournal(t, { dataDir, clock: () => now })
  t.same(await readdir(dataDir), ['logs.json'])
  journal.append(record(0))
  await journal.flush()
  now += 19 * DAY
  journal.append(record(1))
  await journal.flush()
  t.same((await readdir(dataDir)).sort(), ['logs.1.json', 'logs.json'])
})

t.test('what the disk cannot follow is counted and dropped, not kept in memory without bound', async (t) => {
  const dataDir = await freshDir(t)
  let dropped = 0
  const { journal } = await openJournal(t, { dataDir, maxQueued: 100, onDropped: (count) => { dropped += count } })
  for (let i = 0; i < 150; i++) journal.append(record(i))
  t.equal(dropped, 50)
  await journal.flush()
  t.equal((await journalLines(dataDir)).length, 100)
})

t.test('a data directory in which a file cannot be read is an error at the start', async (t) => {
  const dataDir = await freshDir(t)
  await mkdir(join(dataDir, 'bans.json'))
  const { bans } = await openStores(t, { dataDir })
  await t.rejects(bans.load(), { code: 'EISDIR' })
  await mkdir(join(dataDir, 'violations.json'))
  await t.rejects(openStores(t, { dataDir }), { code: 'EISDIR' })
})

t.test('suspensions.json has the documented shape, and is read again; lifts and forgetting last, old records do not', async (t) => {
  const dataDir = await freshDir(t)
  let now = NOW
  const open = () => openStores(t, { dataDir, clock: () => now, retentionMs: 90 * DAY })
  const stores = await open()
  await stores.suspensions.note(messageOf(NOW))
  const given = await stores.suspensions.suspend(infractionOf(NOW))
  t.same((await readJson(dataDir, 'suspensions.json')).subjects['user:42'], {
    level: 1, contentUntil: given.until, lastMessageAt: NOW, messagesTotal: 1,
    latest: { reason: 'content', until: given.until, message: given.message },
  }, 'on disk when it is told')
  for (const subject of ['user:__proto__', 'user:lifted', 'user:forgotten']) await stores.suspensions.suspend(tooManyOf(NOW, { subject }))
  await stores.suspensions.lift('user:lifted', NOW)
  await stores.suspensions.forget('user:forgotten')
  const written = (await readJson(dataDir, 'suspensions.json')).subjects
  t.notOk('user:lifted' in written)
  t.notOk('user:forgotten' in written)
  await stores.close()
  const next = await open()
  t.same(await next.suspensions.find('user:42', NOW), given)
  t.match(await next.suspensions.get('user:42'), { level: 1, messagesTotal: 1 })
  t.match(await next.suspensions.get('user:__proto__'), { latest: { reason: 'rate' } })
  t.match(await next.suspensions.get('user:lifted'), { latest: undefined })
  now += 91 * DAY
  await next.suspensions.note(messageOf(now, { subject: 'user:new' }))
  await next.suspensions.suspend(tooManyOf(now, { subject: 'user:bad' }))
  await next.close()
  t.same(Object.keys((await readJson(dataDir, 'suspensions.json')).subjects), ['user:bad'])
  t.same(Object.keys((await readJson(dataDir, 'messages.json')).subjects), ['user:new'])
})

t.test('messages.json holds those who were never suspended: no suspension waits for it, and nobody stays in both', async (t) => {
  const dataDir = await freshDir(t)
  const open = () => openStores(t, { dataDir })
  const subjectsIn = async (name: string) => Object.keys((await readJson(dataDir, name)).subjects)
  const stores = await open()
  for (const subject of ['user:42', 'user:good', 'user:forgotten']) await stores.suspensions.note(messageOf(NOW, { subject }))
  await stores.flush()
  t.same(await subjectsIn('messages.json'), ['user:42', 'user:good', 'user:forgotten'])
  await mkdir(join(dataDir, 'messages.json.tmp'))
  await stores.suspensions.suspend(infractionOf(NOW))
  t.same(await subjectsIn('suspensions.json'), ['user:42'], 'whatever becomes of the totals')
  // As after kill -9: in both files.
  const next = await open()
  t.match(await next.suspensions.get('user:42'), { level: 1, messagesTotal: 1 })
  t.match(await next.suspensions.get('user:good'), { level: 0, messagesTotal: 1 })
  await rm(join(dataDir, 'messages.json.tmp'), { recursive: true })
  await next.suspensions.forget('user:forgotten')
  t.same(await subjectsIn('messages.json'), ['user:good'])
  await next.suspensions.suspend(tooManyOf(NOW, { subject: 'user:good' }))
  await next.suspensions.lift('user:good', NOW)
  await next.flush()
  t.same([await subjectsIn('suspensions.json'), await subjectsIn('messages.json')], [['user:42'], ['user:good']])
})

t.test('a file of suspensions that cannot be read is set aside; a disk that fails keeps nobody from being suspended', async (t) => {
  for (const subjects of ['[]', '{"user:42":1}', '{"user:42":{"level":0,"contentUntil":0,"lastMessageAt":0}}',
    '{"user:42":{"level":0,"contentUntil":0,"lastMessageAt":0,"messagesTotal":0,"latest":{"reason":"x","until":1,"message":""}}}']) {
    const dataDir = await freshDir(t)
    await writeFile(join(dataDir, 'suspensions.json'), `{"$format":1,"subjects":${subjects}}`)
    const { lines, log } = collectLog()
    const stores = await openStores(t, { dataDir, log })
    t.equal(await stores.suspensions.get('user:42'), undefined)
    t.match(lines, [{ level: 'warn', details: { why: /subjects/ } }])
    t.equal((await readdir(dataDir)).filter((name) => name.startsWith('suspensions.json.')).length, 1)
  }
  const dataDir = await freshDir(t)
  const { lines, log } = collectLog()
  const stores = await openStores(t, { dataDir, log })
  await mkdir(join(dataDir, 'suspensions.json.tmp'))
  const given = await stores.suspensions.suspend(infractionOf(NOW))
  t.same(await stores.suspensions.find('user:42', NOW), given)
  t.match(lines, [{ level: 'error', message: /cannot be written/ }])
})
