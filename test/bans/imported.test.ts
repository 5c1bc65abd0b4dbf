import t, { type Test } from 'tap'
import { canonicalSubject, createBanBook, forgetImported, importedSubject, mergeBans } from '../../src/bans/bans.js'
import type { Ban, BanEvent, BanReplica } from '../../src/bans/contract.js'
import { banOf, HOUR, keptLog, keptStore, manualClock, T0 } from './ban-rig.js'

const rowOf = (id: string, more: Partial<Ban> = {}) =>
  banOf(importedSubject(id), { source: 'backend', row: 'row-1', ...more })

async function startBook (t: Test, initial: Ban[] = []) {
  const clock = manualClock()
  const log = keptLog()
  const kept = keptStore(initial)
  const followed: BanReplica[] = []
  const store = { ...kept.store, follow: async (replica: BanReplica) => { followed.push(replica) } }
  const book = createBanBook({ store, clock: clock.read, log })
  await book.start()
  const [replica] = followed as [BanReplica]
  t.teardown(() => book.close())
  const events: BanEvent[] = []
  book.on((event) => events.push(event))
  const find = (id: string, manualOnly = false) => book.find([{ id }], '', clock.read(), { manualOnly })
  return { book, clock, log, kept, events, find, replica }
}

t.test('of a user\'s two bans the later end holds, and each ends by itself', async (t) => {
  const { book, clock, find, kept } = await startBook(t)
  await book.place([banOf('user:42', { expiresAt: T0 + HOUR }), rowOf('42', { expiresAt: T0 + 2 * HOUR, violation: 'logins' })])
  t.match(find('42'), { subject: 'user:42', source: 'backend', violation: 'logins' })
  t.equal(find('42', true), undefined, 'neither is an operator\'s')
  t.equal(find('7'), undefined)
  clock.advance(HOUR)
  t.match(find('42'), { source: 'backend' }, 'ours has run out')
  await book.place([banOf('user:42', { createdAt: clock.read(), expiresAt: T0 + 3 * HOUR, source: 'admin' })])
  t.match(find('42'), { source: 'admin', expiresAt: T0 + 3 * HOUR })
  t.match(find('42', true), { source: 'admin' })
  clock.advance(HOUR)
  t.match(find('42'), { source: 'admin' })
  t.equal(book.get(importedSubject('42')), undefined, 'the backend\'s has run out')
  await book.lift('user:42', { by: 'test' })
  t.equal(find('42'), undefined)
  t.notOk(kept.disk.has('user:42'))
})

t.test('a refusal by a ban that was taken over waits for the disk as well', async (t) => {
  const { book, find, kept } = await startBook(t)
  const release = kept.hold()
  const placing = book.place([rowOf('42')])
  const ban = find('42') as Ban
  t.type(book.durable(ban), Promise)
  release()
  await placing
  t.equal(book.durable(ban), undefined)
})

t.test('a user\'s lift pardons the backend\'s ban: kept with its row, and nowhere to be seen', async (t) => {
  const { book, find, events, kept, clock } = await startBook(t)
  await book.place([rowOf('42'), banOf('user:42', { linked: ['ip:192.0.2.1'] }), banOf('ip:192.0.2.1', { linked: ['user:42'] })])
  events.length = 0
  t.strictSame(await book.lift('user:42', { by: 'ann' }), ['user:42', 'ip:192.0.2.1'])
  t.equal(find('42'), undefined)
  t.strictSame([book.list()?.bans, book.list({ user: '42' })?.bans], [[], []])
  t.match(kept.disk.get(importedSubject('42')), { row: 'row-1', liftedRow: 'row-1' })
  t.strictSame(events, [
    { kind: 'lifted', subject: 'user:42', by: 'ann', remote: false },
    { kind: 'lifted', subject: 'ip:192.0.2.1', by: 'ann', remote: false },
    { kind: 'lifted', subject: 'user:42', by: 'ann', remote: false, imported: true },
  ])
  const again = await startBook(t, [...kept.disk.values()])
  t.equal(again.find('42'), undefined, 'after a restart')
  await again.book.place([rowOf('42')])
  t.equal(again.find('42'), undefined, 'the same row from an instance that has not heard of the lift')
  t.strictSame(again.events, [])
  await again.book.lift(importedSubject('42'), { by: 'backend' })
  await again.book.place([rowOf('42', { row: 'row-2' })])
  t.match(again.find('42'), { subject: 'user:42', row: 'row-2' })
  t.match(again.events, [{ kind: 'lifted', imported: true }, { kind: 'placed', ban: { subject: 'user:42' } }])
  clock.advance(3 * HOUR)
  book.sweep()
  t.equal(book.size, 0, 'what is pardoned ends like any other')
})

t.test('another instance\'s pardon is told as a lift, and reaches those who have placed the same row', async (t) => {
  const { book, find, events, replica } = await startBook(t)
  await book.place([rowOf('42')])
  events.length = 0
  replica.apply({ placed: [rowOf('42', { liftedRow: 'row-1' })], lifted: [] })
  t.equal(find('42'), undefined)
  t.strictSame(events, [{ kind: 'lifted', subject: 'user:42', by: 'another instance', remote: true, imported: true }])
  replica.apply({ placed: [rowOf('7')], lifted: [{ subject: importedSubject('42'), liftedAt: T0, by: 'backend' }] })
  t.match(events.slice(1), [
    { kind: 'placed', ban: { subject: 'user:7', source: 'backend' }, remote: true },
    { kind: 'lifted', subject: 'user:42', by: 'backend', remote: true, imported: true },
  ])
  const [plain, pardoned] = [rowOf('1'), rowOf('1', { liftedRow: 'row-1' })]
  t.strictSame(mergeBans(plain, pardoned), pardoned)
  t.strictSame(mergeBans(pardoned, plain), pardoned, 'whichever comes first')
})

t.test('pages name every ban once, as its user\'s', async (t) => {
  const { book } = await startBook(t)
  await book.place(['1', '2', '3'].flatMap((id) => [banOf(`user:${id}`), rowOf(id)]))
  const seen: string[] = []
  for (let cursor: string | undefined; ;) {
    const page = book.list({ limit: 2, ...cursor === undefined ? {} : { cursor } })
    seen.push(...(page?.bans ?? []).map(({ subject, source }) => `${subject} ${source}`))
    if (page?.next === undefined) break
    cursor = page.next
  }
  t.strictSame(seen.sort(), ['1', '2', '3'].flatMap((id) => [`user:${id} auto`, `user:${id} backend`]))
})

t.test('nobody outside names the subjects that they are kept under, and no id is mistaken for one', async (t) => {
  const { book, find } = await startBook(t)
  t.equal(canonicalSubject(importedSubject('42')), undefined)
  t.throws(() => book.place([banOf(importedSubject(''))]), TypeError)
  await book.place([banOf('user:backend:42'), rowOf('x', { expiresAt: null })])
  t.match(find('backend:42'), { subject: 'user:backend:42', source: 'auto' })
  t.equal(find('42'), undefined)
  t.match(find('x'), { expiresAt: null })
})

t.test('whoever takes over nothing any more lifts all of them, and nothing else', async (t) => {
  const { book, log } = await startBook(t)
  await book.place([...Array.from({ length: 1500 }, (_, i) => rowOf(String(i))), banOf('user:0'), banOf('ip:192.0.2.1')])
  await book.lift('user:5', { by: 'ann' })
  forgetImported({ book, log })
  while (book.size > 2) await new Promise(setImmediate)
  t.strictSame([...book.all].map(({ subject }) => subject), ['user:0', 'ip:192.0.2.1'])
  forgetImported({ book, log })
  t.equal(log.lines.filter(({ message }) => message.includes('not taken over any more')).length, 1)
})
