import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createBanBook, mergeBans, parseBanDuration, placedAtOf } from '../../src/bans/bans.js'
import type { Ban, BanEvent, BanReplica } from '../../src/bans/contract.js'
import { banOf, HOUR, keptLog, keptStore, manualClock, MINUTE, T0 } from './ban-rig.js'

async function startBook (t: Test, { initial = [], maxBans }: { initial?: Ban[], maxBans?: number } = {}) {
  const clock = manualClock()
  const log = keptLog()
  const kept = keptStore(initial)
  const bound = maxBans === undefined ? {} : { maxBans }
  const followed: BanReplica[] = []
  const store = { ...kept.store, follow: async (replica: BanReplica) => { followed.push(replica) } }
  const book = createBanBook({ store, clock: clock.read, log, ...bound })
  await book.start()
  const [replica] = followed as [BanReplica]
  t.teardown(() => book.close())
  const events: BanEvent[] = []
  book.on((event) => events.push(event))
  const find = (user: string | undefined, address = '198.51.100.1') =>
    book.find(user === undefined ? [] : [{ id: user }], address, clock.read())?.subject
  return { book, clock, log, kept, events, find, replica }
}

t.test('a ban holds for its user and its address, and for nobody else', async (t) => {
  const { book, find } = await startBook(t)
  await book.place([banOf('user:42', { linked: ['ip:203.0.113.9'] }), banOf('ip:203.0.113.9', { linked: ['user:42'] })])
  t.equal(find('42'), 'user:42', 'on a new address too')
  t.equal(find('7', '203.0.113.9'), 'ip:203.0.113.9', 'another user on the banned address')
  t.equal(find('42', '203.0.113.9'), 'user:42', 'the user before the address')
  t.equal(find('7'), undefined, 'the new address of a banned user is not banned')
  t.equal(book.find([{ id: '7' }, { id: '42' }], '', T0)?.subject, 'user:42', 'any user of the request')
  t.equal(find(undefined, 'not an address'), undefined)
  t.equal(find('__proto__'), undefined)
})

t.test('address bans match by address, by IPv6 network and by CIDR of any length, the narrowest first', async (t) => {
  const { book, find } = await startBook(t)
  await book.place([
    banOf('ip:10.0.0.0/8'), banOf('ip:10.1.2.0/27', { violation: 'logins' }), banOf('ip:::ffff:192.0.2.7'),
    banOf('ip:2001:DB8:0:1::/64'), banOf('ip:2001:db8:ffff::5/48'), banOf('ip:2001:db8:2::1'),
  ])
  t.equal(find(undefined, '10.200.0.1'), 'ip:10.0.0.0/8')
  t.equal(find(undefined, '10.1.2.31'), 'ip:10.1.2.0/27')
  t.equal(find(undefined, '10.1.2.32'), 'ip:10.0.0.0/8')
  t.equal(find(undefined, '11.0.0.1'), undefined)
  t.equal(find(undefined, '192.0.2.7'), 'ip:192.0.2.7', 'IPv4 in IPv6 clothes is IPv4')
  t.equal(find(undefined, '2001:db8:0:1:aaaa::1'), 'ip:2001:db8:0:1::/64')
  t.equal(find(undefined, '2001:db8:0:1:bbbb::2'), 'ip:2001:db8:0:1::/64', 'one ban for two addresses of a network')
  t.equal(find(undefined, '2001:db8:0:2::1'), undefined)
  t.equal(find(undefined, '2001:db8:ffff:9::1'), 'ip:2001:db8:ffff::/48', 'host bits are cleared')
  t.equal(find(undefined, '2001:db8:2::1'), 'ip:2001:db8:2::1')
  t.equal(find(undefined, '2001:db8:2::2'), undefined)
  await book.lift('ip:10.1.2.0/27', { by: 'test' })
  t.equal(find(undefined, '10.1.2.31'), 'ip:10.0.0.0/8', 'spellings remembered for a length no longer in use do no harm')
  t.equal(find(undefined, '11.0.0.1'), undefined)
  await book.place([banOf('ip:11.0.0.0/9')])
  t.equal(find(undefined, '11.0.0.1'), 'ip:11.0.0.0/9', 'a length that was not in use when the address was last seen')
})

t.test('a ban ends by itself: the first look after its end passes, and its record goes', async (t) => {
  const { book, clock, kept, find } = await startBook(t)
  await book.place([banOf('user:42'), banOf('ip:203.0.113.9'), banOf('user:never', { expiresAt: null })])
  clock.advance(2 * HOUR - 1)
  t.equal(find('42'), 'user:42')
  clock.advance(1)
  t.equal(find('42'), undefined)
  t.equal(book.size, 2, 'dropped by the look')
  book.sweep()
  t.equal(book.size, 1, 'dropped by the sweep, though nobody looked')
  await book.close()
  t.same([...kept.disk.keys()], ['user:never'])
  clock.advance(1000 * 365 * 24 * HOUR)
  t.equal(find('never'), 'user:never')
})

t.test('bans are in force at once, and durable before anybody is refused', async (t) => {
  const { book, kept, find } = await startBook(t)
  const release = kept.hold()
  let placed = false
  const placing = book.place([banOf('user:42')]).then(() => { placed = true })
  t.equal(find('42'), 'user:42')
  const waiting = book.durable(banOf('user:42'))
  t.type(waiting, Promise)
  t.equal(kept.disk.size, 0)
  t.equal(placed, false)
  const second = book.place([banOf('user:43')])
  const third = book.place([banOf('user:44')])
  t.type(book.durable(banOf('user:44')), Promise, 'a ban that waits for the write before it')
  release()
  await waiting
  t.ok(kept.disk.has('user:42'))
  await Promise.all([placing, second, third])
  t.equal(book.durable(banOf('user:42')), undefined)
  t.equal(kept.writes.length <= 2, true, 'what comes during a write shares the next')
  t.same([...kept.disk.keys()], ['user:42', 'user:43', 'user:44'])
})

t.test('a disk that is full stops no ban, and gets what it missed when there is room', async (t) => {
  const { book, kept, log, find } = await startBook(t)
  await book.place([banOf('user:old')])
  kept.fail(true)
  await book.place([banOf('user:42')])
  await book.lift('user:old', { by: 'test' })
  t.equal(find('42'), 'user:42')
  t.equal(find('old'), undefined)
  t.equal(book.durable(banOf('user:42')), undefined, 'refusals do not wait for a broken disk')
  t.equal(book.backlog, 2)
  t.ok(log.lines.some((line) => line.level === 'error' && line.message.includes('could not be written')))
  kept.fail(false)
  book.sweep()
  await book.close()
  t.same([...kept.disk.keys()], ['user:42'])
  t.equal(book.backlog, 0)
})

t.test('the store is read at start: expired bans go, damaged ones hold, nonsense is told', async (t) => {
  const { book, log, kept, find } = await startBook(t, {
    initial: [
      banOf('user:42'), banOf('user:past', { expiresAt: T0 - 1 }), banOf('user:odd', { expiresAt: NaN }), banOf('nonsense'),
    ],
  })
  t.equal(find('42'), 'user:42')
  t.equal(find('past'), undefined)
  t.equal(find('odd'), 'user:odd', 'no readable end is no way out')
  t.equal(book.get('user:odd')?.expiresAt, null)
  await book.close()
  t.notOk(kept.disk.has('user:past'))
  t.equal(log.lines.filter((line) => line.level === 'warn').length, 2)
  const broken = createBanBook({
    store: { ...kept.store, load: async () => { throw new Error('unreadable') } }, clock: () => T0, log,
  })
  await t.rejects(broken.start(), /unreadable/)
})

t.test('a ban kept in another spelling is kept in ours from the start on, so that its lift lasts', async (t) => {
  const { book, kept, log } = await startBook(t, { initial: [banOf('ip:2001:DB8::5/64'), banOf('ip:10.1.2.3/8'), banOf('user:A')] })
  t.same([...kept.disk.keys()].sort(), ['ip:10.0.0.0/8', 'ip:2001:db8::/64', 'user:A'])
  await book.lift('ip:10.0.0.0/8', { by: 'test' })
  const after = createBanBook({ store: kept.store, clock: () => T0, log })
  await after.start()
  t.teardown(() => after.close())
  t.equal(after.find([], '10.1.2.3', T0), undefined)
  t.equal(after.find([], '2001:db8::9', T0)?.subject, 'ip:2001:db8::/64')
})

t.test('banning again never shortens, and an operator\'s word stays an operator\'s', async (t) => {
  const { book } = await startBook(t)
  await book.place([banOf('user:42', { expiresAt: null, source: 'admin', violation: 'manual', note: 'spam' })])
  await book.place([banOf('user:42', { linked: ['ip:203.0.113.9'], note: 'spared' })])
  t.match(book.get('user:42'), {
    expiresAt: null, source: 'admin', violation: 'manual', linked: ['ip:203.0.113.9'], note: 'spam; spared',
  })
  await book.place([banOf('user:43', { linked: ['ip:1.1.1.1'] })])
  await book.place([banOf('user:43', { expiresAt: T0 + 3 * HOUR, violation: 'logins', linked: ['ip:1.1.1.1', 'ip:2.2.2.2'] })])
  t.match(book.get('user:43'), { expiresAt: T0 + 3 * HOUR, violation: 'logins', linked: ['ip:1.1.1.1', 'ip:2.2.2.2'] })
  await book.place([banOf('user:43', { expiresAt: T0 + HOUR, source: 'admin', violation: 'manual' })])
  t.match(book.get('user:43'), { expiresAt: T0 + 3 * HOUR, source: 'admin' }, 'holds even while automatic bans are off')
  t.throws(() => book.place([banOf('group:x')]), TypeError)
  t.throws(() => book.place([banOf('ip:1.2.3')]), TypeError)
  t.throws(() => book.place([banOf('user:42', { expiresAt: NaN })]), TypeError)
})

t.test('while automatic bans are off, only an operator\'s are seen, also behind a narrower automatic one', async (t) => {
  const { book } = await startBook(t)
  await book.place([
    banOf('user:42'), banOf('ip:10.1.1.1'), banOf('ip:10.0.0.0/8', { source: 'admin' }), banOf('user:m', { source: 'mongo' }),
  ])
  const manualOnly = { manualOnly: true }
  t.equal(book.find([{ id: '42' }], '10.1.1.1', T0)?.subject, 'user:42')
  t.equal(book.find([{ id: '42' }], '10.1.1.1', T0, manualOnly)?.subject, 'ip:10.0.0.0/8')
  t.equal(book.find([{ id: '42' }, { id: 'm' }], '192.0.2.1', T0, manualOnly), undefined)
})

t.test('lifting a user frees the addresses he took along, unless somebody else holds them', async (t) => {
  const { book, clock, kept, events } = await startBook(t)
  await book.place([
    banOf('user:a', { linked: ['ip:1.1.1.1', 'ip:2.2.2.2', 'ip:3.3.3.3', 'ip:4.4.4.4'] }),
    banOf('user:b', { linked: ['ip:2.2.2.2'] }),
    banOf('user:gone', { linked: ['ip:4.4.4.4'], expiresAt: T0 + MINUTE }),
    banOf('ip:1.1.1.1', { linked: ['user:a'] }),
    banOf('ip:2.2.2.2', { linked: ['user:a', 'user:b'] }),
    banOf('ip:3.3.3.3', { linked: ['user:a'], source: 'admin' }),
    banOf('ip:4.4.4.4', { linked: ['user:a', 'user:gone'] }),
  ])
  clock.advance(MINUTE)
  t.same(await book.lift('user:a', { by: 'olga' }), ['user:a', 'ip:1.1.1.1', 'ip:4.4.4.4'])
  t.same(book.get('ip:2.2.2.2')?.linked, ['user:b'], 'held by another banned user')
  t.ok(book.get('ip:3.3.3.3'), 'banned by the operator himself')
  book.sweep()
  await book.close()
  t.same([...kept.disk.keys()].sort(), ['ip:2.2.2.2', 'ip:3.3.3.3', 'user:b'].sort())
  t.match(events.filter((event) => event.kind === 'lifted'), [
    { subject: 'user:a', by: 'olga' }, { subject: 'ip:1.1.1.1' }, { subject: 'ip:4.4.4.4' },
  ])
  t.same(await book.lift('user:b', { linked: false, by: 'olga' }), ['user:b'])
  t.ok(book.get('ip:2.2.2.2'))
  t.same(await book.lift('ip:2.2.2.2', { by: 'olga' }), ['ip:2.2.2.2'])
  t.same(await book.lift('user:b', { by: 'olga' }), [], 'nothing there any more')
  t.same(await book.lift('rubbish', { by: 'olga' }), [])
})

t.test('a lift that overtakes the writing of its ban leaves nothing behind', async (t) => {
  const { book, kept } = await startBook(t)
  const release = kept.hold()
  const placing = book.place([banOf('user:42')])
  const lifting = book.lift('user:42', { by: 'test' })
  const again = book.place([banOf('user:43')])
  release()
  await Promise.all([placing, lifting, again])
  t.same([...kept.disk.keys()], ['user:43'])
})

t.test('pages list each ban once, newest first', async (t) => {
  const { book } = await startBook(t)
  await book.place(Array.from({ length: 250 }, (_, i) => banOf(`user:${i}`, { createdAt: T0 + Math.floor(i / 3) })))
  const seen: Ban[] = []
  for (let cursor: string | undefined; ;) {
    const page = book.list(cursor === undefined ? {} : { cursor })
    t.ok(page && page.bans.length <= 100)
    seen.push(...page?.bans ?? [])
    cursor = page?.next
    if (cursor === undefined) break
  }
  t.equal(new Set(seen.map((ban) => ban.subject)).size, 250)
  t.equal(seen.length, 250)
  t.same(seen.map((ban) => ban.createdAt), seen.map((ban) => ban.createdAt).sort((a, b) => b - a))
  t.equal(book.list({ cursor: 'rubbish' }), undefined)
  await book.place([banOf('ip:10.0.0.0/8'), banOf('ip:10.1.1.1')])
  const subjects = (query: object) => book.list(query)?.bans.map((ban) => ban.subject)
  t.same(subjects({ user: '7' }), ['user:7'])
  t.same(subjects({ ip: '10.1.1.1' })?.sort(), ['ip:10.0.0.0/8', 'ip:10.1.1.1'])
  t.same(subjects({ ip: '10.0.0.0/8' }), ['ip:10.0.0.0/8'])
  t.same(subjects({ user: 'nobody' }), [])
})

t.test('the book is bounded: the longest standing automatic bans give way, an operator\'s never', async (t) => {
  const { book, kept, find, log } = await startBook(t, { maxBans: 3 })
  await book.place([banOf('user:boss', { source: 'admin' }), banOf('user:1'), banOf('user:2'), banOf('user:3'), banOf('user:4')])
  t.same(['boss', '1', '2', '3', '4'].map((id) => find(id) !== undefined), [true, false, false, true, true])
  await book.close()
  t.same([...kept.disk.keys()].sort(), ['user:3', 'user:4', 'user:boss'])
  t.match(log.lines.find((line) => line.level === 'warn'), { dropped: 2 })
})

t.test('listeners hear of placed bans until they leave, and one that fails harms nobody', async (t) => {
  const { book, events, log } = await startBook(t)
  book.on(() => { throw new Error('listener') })
  const heard: string[] = []
  const leave = book.on((event) => heard.push(event.kind))
  await book.place([banOf('user:1')])
  leave()
  await book.place([banOf('user:2')])
  t.same(heard, ['placed'])
  t.equal(events.length, 2)
  t.equal(log.lines.filter((line) => line.level === 'error').length, 2)
})

const lift = (subject: string, liftedAt: number) => ({ subject, liftedAt, by: 'olga' })

t.test('changes of others are in force at once, told as theirs, and not handed back to the store', async (t) => {
  const { replica, kept, events, find, book } = await startBook(t)
  replica.apply({ placed: [banOf('user:1'), banOf('ip:10.0.0.0/8'), banOf('user:past', { expiresAt: T0 }), banOf('nonsense')], lifted: [] })
  t.equal(find('1'), 'user:1')
  t.equal(find(undefined, '10.1.2.3'), 'ip:10.0.0.0/8')
  t.same([...book.all].map((ban) => ban.subject), ['user:1', 'ip:10.0.0.0/8'])
  t.equal(replica.get('user:1')?.subject, 'user:1')
  replica.apply({ placed: [banOf('user:1', { expiresAt: T0 + MINUTE })], lifted: [] })
  t.equal(book.get('user:1')?.expiresAt, T0 + MINUTE, 'theirs replaces ours: the store has merged it')
  replica.apply({ placed: [banOf('user:1', { expiresAt: T0 + MINUTE, recorded: 'c1' })], lifted: [] })
  t.equal(book.get('user:1')?.recorded, 'c1')
  replica.apply({ placed: [], lifted: [lift('user:1', T0), lift('user:never', T0)] })
  t.equal(find('1'), undefined)
  t.match(events, [
    { kind: 'placed', ban: { subject: 'user:1' }, remote: true }, { kind: 'placed', ban: { subject: 'ip:10.0.0.0/8' }, remote: true },
    { kind: 'placed', ban: { expiresAt: T0 + MINUTE } }, { kind: 'lifted', subject: 'user:1', by: 'olga', remote: true },
  ])
  t.equal(events.length, 4, 'that a document was acknowledged is no news, nor the lift of nobody')
  await book.close()
  t.same(kept.writes, [])
})

t.test('changes of others meet ours that the store has not heard of: the later lift wins, bans are merged', async (t) => {
  const { replica, kept, book } = await startBook(t)
  const release = kept.hold()
  const first = book.place([banOf('user:first')])
  await Promise.resolve()
  const waiting = [
    book.place([banOf('user:merged', { note: 'ours' }), banOf('user:newer', { createdAt: T0 + 9 }), banOf('user:older')]),
    book.place([banOf('user:gone')]), book.lift('user:gone', { by: 'test' }),
  ]
  replica.apply({
    placed: [
      banOf('user:merged', { expiresAt: null, note: 'theirs' }), banOf('user:gone'), banOf('user:older', { createdAt: T0 + 5 }),
    ],
    lifted: [lift('user:newer', T0 + 8), lift('user:older', T0 + 8)],
  })
  t.match(book.get('user:merged'), { expiresAt: null, note: /ours.*theirs|theirs.*ours/ })
  t.equal(book.get('user:gone'), undefined, 'lifted here, and later')
  t.ok(book.get('user:newer'))
  t.equal(book.get('user:older'), undefined)
  replica.apply({ placed: [banOf('user:gone', { createdAt: T0 + 1 })], lifted: [] })
  t.ok(book.get('user:gone'), 'banned by another after our lift')
  release()
  await Promise.all([first, ...waiting])
  t.same([...kept.disk.keys()].sort(), ['user:first', 'user:merged', 'user:newer'])
  t.match(kept.disk.get('user:merged'), { expiresAt: null })
})

t.test('who bans again after a lift is obeyed, also within one instant and while the lift is being written', async (t) => {
  const { book, kept, find } = await startBook(t)
  await book.place([banOf('user:1')])
  await book.lift('user:1', { by: 'test' })
  await book.place([banOf('user:1')])
  t.equal(book.get('user:1')?.createdAt, T0 + 1)
  const release = kept.hold()
  const lifting = book.lift('user:1', { by: 'test' })
  const placing = book.place([banOf('user:1')])
  t.equal(find('1'), 'user:1')
  t.equal(book.get('user:1')?.createdAt, T0 + 2, 'after a lift that the clock did not see either')
  release()
  await Promise.all([lifting, placing])
  t.ok(kept.disk.has('user:1'))
})

t.test('that a ban\'s document was acknowledged is kept with the ban, tells nobody, and survives a longer ban', async (t) => {
  const { book, kept, events } = await startBook(t)
  await book.place([banOf('user:1')])
  await book.markRecorded('user:1', 'c1')
  await book.markRecorded('user:1', 'c1')
  await book.markRecorded('user:never', 'c1')
  t.equal(kept.disk.get('user:1')?.recorded, 'c1')
  t.equal(kept.writes.length, 2)
  await book.place([banOf('user:1', { expiresAt: null })])
  t.equal(book.get('user:1')?.recorded, 'c1')
  t.equal(events.length, 2)
  await book.lift('user:1', { by: 'test' })
  await book.place([banOf('user:1')])
  t.equal(book.get('user:1')?.recorded, undefined, 'a new ban is a new document')
  t.equal(kept.disk.size, 1)
})

t.test('merging the same bans again, in whatever order, changes nothing', async (t) => {
  const instant = fc.integer({ min: 0, max: 5 }).map((n) => T0 + n)
  const ban = fc.record({
    createdAt: instant, expiresAt: fc.option(instant), score: fc.constantFrom(0, 20), violation: fc.constantFrom('logins', 'manual'),
    source: fc.constantFrom<Ban['source'][]>('auto', 'admin', 'mongo'), linked: fc.uniqueArray(fc.constantFrom('ip:1.1.1.1', 'user:2')),
    note: fc.constantFrom('a', 'b', 'a; b'),
  }).map((part) => banOf('user:1', part))
  fc.assert(fc.property(ban, ban, (a, b) => {
    const both = mergeBans(a, b)
    for (const again of [mergeBans(both, a), mergeBans(both, b), mergeBans(both, both)]) t.same(again, both)
    const { linked: _, note: __, ...turned } = mergeBans(b, a)
    t.match(both, turned)
    t.equal(placedAtOf(both), Math.max(a.createdAt, b.createdAt))
  }))
})

t.test('durations of bans carry a unit', async (t) => {
  t.same(parseBanDuration('90m'), { durationMs: 90 * MINUTE })
  t.same(parseBanDuration('2h'), { durationMs: 2 * HOUR })
  t.same(parseBanDuration('1d12h'), { durationMs: 36 * HOUR })
  t.same(parseBanDuration('forever'), { durationMs: null })
  for (const text of ['', '120', '2', '0m', '-2h', '2 hours', '2h!', 'h', '1e9h', '999999999w', `${'1h'.repeat(40)}`, 'Forever ']) {
    t.equal(parseBanDuration(text), undefined, text)
  }
})
