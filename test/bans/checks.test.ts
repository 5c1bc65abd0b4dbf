import t, { type Test } from 'tap'
import {
  createAccess, createAddressUsers, createAllowCheck, createBanBook, createBanCheck, createBanPlacer,
} from '../../src/bans/bans.js'
import type { Exchange } from '../../src/exchange.js'
import { createMemoryStores } from '../../src/stores/memory/memory-stores.js'
import type { Breach } from '../../src/violations/contract.js'
import { banOf, HOUR, keptLog, keptStore, manualClock, MINUTE, T0 } from './ban-rig.js'
import { accessRules, exchangeOf, identityOf, policyOf, type Caller } from './exchange-rig.js'

const TEXT = 'Your account has been temporarily banned due to violations of our service.'

/** The rooms around the ban check, on a real store in a directory of the test's. */
async function setUp (t: Test, rules: Parameters<typeof accessRules>[0] = {}) {
  const clock = manualClock()
  const log = keptLog()
  const stores = await createMemoryStores({ dataDir: t.testdir(), clock: clock.read, log, retentionMs: 90 * 24 * HOUR })
  const book = createBanBook({ store: stores.bans, clock: clock.read, log })
  await book.start()
  t.teardown(async () => {
    await book.close()
    await stores.close()
  })
  const users = createAddressUsers()
  const access = createAccess(accessRules(rules))
  const placer = createBanPlacer({ book, users, scores: stores.scores, log })
  const checkWith = (automatic: boolean) => {
    const check = createBanCheck({ book, access, automatic, users })
    return async (caller: Caller) => check(exchangeOf(caller, { receivedAt: clock.read() }))
  }
  return { clock, log, stores, book, users, access, placer, check: checkWith(true), checkManual: checkWith(false) }
}

type RoomsRig = Awaited<ReturnType<typeof setUp>>

t.test('a banned caller reads why and until when; others pass', async (t) => {
  const { book, check, clock } = await setUp(t)
  await book.place([banOf('user:42'), banOf('ip:2001:db8::/64', { expiresAt: null, violation: 'manual' })])
  t.same(await check({ users: ['42'] }), {
    kind: 'ban',
    rule: 'ban',
    status: 403,
    message: TEXT,
    subject: 'user:42',
    reason: 'message_limit',
    expiresAt: T0 + 2 * HOUR,
    ofUser: true,
    retryAfterMs: 2 * HOUR,
  })
  t.same(await check({ users: ['7'], address: '2001:db8::5' }), {
    kind: 'ban', rule: 'ban', status: 403, message: TEXT, subject: 'ip:2001:db8::/64', reason: 'manual', expiresAt: null, ofUser: false,
  })
  t.match(await check({ users: ['7', '42'] }), { subject: 'user:42' }, 'a banned user\'s credential anywhere in the request')
  t.equal(await check({ users: ['7'] }), undefined)
  t.equal(await check({}), undefined)
  clock.advance(2 * HOUR)
  t.equal(await check({ users: ['42'] }), undefined, 'after its time, with no restart')
})

t.test('the check answers at once, and only waits for a ban that is not yet on the disk', async (t) => {
  const clock = manualClock()
  const kept = keptStore()
  const book = createBanBook({ store: kept.store, clock: clock.read, log: keptLog() })
  const access = createAccess(accessRules({}))
  const check = createBanCheck({ book, access, automatic: true, users: createAddressUsers() })
  const release = kept.hold()
  const placing = book.place([banOf('user:42')])
  t.equal(check(exchangeOf({ users: ['7'] })), undefined)
  const answer = check(exchangeOf({ users: ['42'] }))
  t.type(answer, Promise)
  t.notOk(kept.disk.has('user:42'))
  release()
  await answer
  t.ok(kept.disk.has('user:42'), 'bans are on disk before the first refusal')
  await placing
  t.notMatch(check(exchangeOf({ users: ['42'] })), Promise)
})

t.test('while automatic bans are off, those already placed are ignored and manual ones hold', async (t) => {
  const { book, check, checkManual } = await setUp(t)
  await book.place([banOf('user:42'), banOf('user:43', { source: 'admin' }), banOf('ip:203.0.113.9')])
  t.equal(await checkManual({ users: ['42'], address: '203.0.113.9' }), undefined)
  t.match(await checkManual({ users: ['43'] }), { subject: 'user:43' })
  t.match(await check({ users: ['42'] }), { subject: 'user:42' }, 'until they are on again')
})

t.test('exempt subjects pass bans: a user from anywhere, an address with whoever calls from it', async (t) => {
  const { book, check, access } = await setUp(t, { exemptUsers: ['admin', 'olga@example.org'], exemptAddresses: ['10.0.0.0/8', 'loopback'] })
  await book.place([banOf('user:admin'), banOf('user:o'), banOf('user:42'), banOf('ip:203.0.113.9'), banOf('ip:10.1.1.1')])
  t.equal(await check({ users: ['admin'], address: '203.0.113.9' }), undefined)
  t.equal(await check({ users: [{ id: 'o', email: 'olga@example.org' }] }), undefined)
  t.equal(await check({ address: '10.1.1.1' }), undefined)
  t.match(await check({ users: ['42'], address: '203.0.113.9' }), { subject: 'user:42' })
  t.match(await check({ users: ['admin', '42'] }), { subject: 'user:42' }, 'a banned user hides behind nobody')
  t.match(await check({ users: ['7', 'admin'], address: '203.0.113.9' }), { subject: 'ip:203.0.113.9' })
  t.ok(access.isExempt(identityOf({ users: ['admin'] })) && access.isExempt(identityOf({ address: '::1' })))
  t.ok(access.isExemptUser({ id: 'Olga@Example.org' }), 'an id that is an e-mail')
  t.notOk(access.isExempt(identityOf({ users: ['ADMIN'] })), 'ids are as they are written')
  t.notOk(access.isExempt(identityOf({ users: ['7', 'admin'] })), 'only for the user who calls')
})

t.test('denied subjects are refused like banned ones, for ever, unless that very subject is exempt', async (t) => {
  const { check } = await setUp(t, {
    denyUsers: ['mallory', 'both', 'Eve@Example.org'],
    denyAddresses: ['192.0.2.0/24', '2001:db8::/32'],
    exemptUsers: ['admin', 'both'],
    exemptAddresses: ['10.0.0.0/8', '192.0.2.7'],
  })
  t.same(await check({ users: ['mallory'] }), {
    kind: 'ban', rule: 'deny', status: 403, message: TEXT, subject: 'user:mallory', reason: 'denied', expiresAt: null, ofUser: true,
  })
  t.match(await check({ users: ['7', 'mallory'] }), { subject: 'user:mallory' })
  t.match(await check({ users: [{ id: '9', email: 'eve@example.org' }] }), { reason: 'denied' })
  t.match(await check({ address: '192.0.2.9' }), { subject: 'ip:192.0.2.9', ofUser: false })
  t.match(await check({ address: '2001:db8:1::9' }), { subject: 'ip:2001:db8:1::/64' })
  t.match(await check({ users: ['mallory'], address: '10.1.1.1' }), { reason: 'denied' }, 'an exempt address does not free a denied user')
  t.match(await check({ users: ['admin'], address: '192.0.2.9' }), { reason: 'denied' }, 'nor an exempt user a denied address')
  t.equal(await check({ users: ['both'] }), undefined)
  t.equal(await check({ address: '192.0.2.7' }), undefined)
})

t.test('an allowlist lets in who is on it', async (t) => {
  const open = createAllowCheck(createAccess(accessRules({})), { anonymous: 'refuse' })
  t.equal(open(exchangeOf({})), undefined, 'no list: everybody')
  const access = createAccess(accessRules({ allowUsers: ['42', 'olga@example.org'], allowGroups: ['-100'] }))
  const check = createAllowCheck(access, { anonymous: 'refuse' })
  t.equal(check(exchangeOf({ users: ['42'] })), undefined)
  t.equal(check(exchangeOf({ users: [{ id: 'o', email: 'olga@example.org' }] })), undefined)
  t.equal(check(exchangeOf({ users: ['7'], group: '-100' })), undefined)
  const refusal = { kind: 'not-allowed', status: 403, message: 'Not authorized' }
  t.match(check(exchangeOf({ users: ['7'] })), refusal)
  t.match(check(exchangeOf({ users: ['42', '7'] })), refusal, 'every credential counts')
  t.match(check(exchangeOf({})), refusal)
  const lenient = createAllowCheck(access, { anonymous: 'pass' })
  t.equal(lenient(exchangeOf({})), undefined, 'people must be able to sign in')
  t.match(lenient(exchangeOf({ users: ['7'] })), refusal)
})

const breachOf = (subject: string, more: Partial<Breach> = {}): Breach => ({
  type: 'message_limit', subject, score: 20, interval: 20, scope: 'type', ttlMs: HOUR, shadow: false, ...more,
})

let bookings = 0

/** What the violations room does when a score has crossed. */
async function cross (rooms: RoomsRig, caller: Caller, more: Partial<Exchange> & { breach?: Partial<Breach> } = {}) {
  const { breach: breachMore = {}, ...exchangeMore } = more
  const exchange = exchangeOf(caller, exchangeMore)
  const { user, client } = exchange.identity
  const breach = breachOf(user === undefined ? client.subject : `user:${user.id}`, breachMore)
  const booking = await rooms.stores.scores.book({ id: `v${++bookings}`, breach, now: rooms.clock.read() })
  return rooms.placer.banFor(exchange, breach, booking)
}

t.test('a crossed score bans the user and the address it happened from, each linked with the other', async (t) => {
  const rooms = await setUp(t)
  t.same(await cross(rooms, { users: ['42'], address: '203.0.113.9' }), { durationMs: 2 * HOUR, expiresAt: T0 + 2 * HOUR })
  t.match(rooms.book.get('user:42'), { violation: 'message_limit', score: 20, source: 'auto', linked: ['ip:203.0.113.9'] })
  t.match(rooms.book.get('ip:203.0.113.9'), { linked: ['user:42'], expiresAt: T0 + 2 * HOUR })
  t.match(await rooms.check({ users: ['42'], address: '192.0.2.1' }), { subject: 'user:42' }, 'the next request, on a new address')
  t.equal(await rooms.check({ users: ['7'], address: '192.0.2.1' }), undefined, 'the new address is not banned')
  t.match(await rooms.check({ users: ['7'], address: '203.0.113.9' }), { subject: 'ip:203.0.113.9' })
  t.ok(await cross(rooms, { address: '2001:db8::1' }))
  t.match(rooms.book.get('ip:2001:db8::/64'), { linked: [] }, 'an anonymous violation bans the network')
})

const NAMES = [{ id: 'local', alias: 'idp' }, { id: 'idp', alias: 'local' }]

t.test('who has two names is banned under both, and a lift of either frees him whole', async (t) => {
  const rooms = await setUp(t)
  const address = '203.0.113.9'
  for (const [banned, lifted] of [['local', 'local'], ['idp', 'idp'], ['local', 'idp']]) {
    t.ok(await cross(rooms, { users: banned === 'local' ? NAMES : NAMES.toReversed(), address }))
    t.match(rooms.book.get('user:local')?.linked.toSorted(), [`ip:${address}`, 'user:idp'])
    t.match(rooms.book.get('user:idp')?.linked.toSorted(), [`ip:${address}`, 'user:local'])
    t.equal(rooms.book.get(`ip:${address}`)?.linked.at(-1), `user:${banned}`, 'whom his records name')
    t.match(await rooms.check({ users: ['idp'] }), { subject: 'user:idp' }, 'whichever of them is known')
    t.match(await rooms.check({ users: ['local'] }), { subject: 'user:local' })
    t.same((await rooms.book.lift(`user:${lifted}`, { by: 'test' })).toSorted(), [`ip:${address}`, 'user:idp', 'user:local'])
    t.equal(rooms.book.size, 0)
    await rooms.stores.scores.reset(`user:${banned}`)
  }
  t.ok(await cross(rooms, { users: [...NAMES, 'other'], address }))
  t.equal(rooms.book.get('user:other'), undefined, 'another account in the request is another person\'s')
  t.same(await rooms.book.lift('user:local', { linked: false, by: 'test' }), ['user:local', 'user:idp'], 'he is one person')
  t.match(rooms.book.get(`ip:${address}`), { linked: [] })
})

t.test('a lift leaves what an operator said of the other name, and lifting an address frees nobody', async (t) => {
  const rooms = await setUp(t)
  t.ok(await cross(rooms, { users: NAMES, address: '203.0.113.9' }))
  await rooms.book.place([banOf('user:idp', { source: 'admin' })])
  t.same(await rooms.book.lift('ip:203.0.113.9', { by: 'test' }), ['ip:203.0.113.9'])
  t.same(await rooms.book.lift('user:local', { by: 'test' }), ['user:local'])
  t.match(rooms.book.get('user:idp'), { source: 'admin', linked: [] })
})

t.test('the policy\'s lists know a person by either name', async (t) => {
  const named = (list: 'exemptUsers' | 'denyUsers' | 'allowUsers', name: string) => createAccess(accessRules({ [list]: [name] }))
  const identity = identityOf({ users: NAMES })
  for (const name of ['local', 'idp']) {
    t.ok(named('exemptUsers', name).isExempt(identity), name)
    t.ok(named('allowUsers', name).isAllowed(identity), name)
    t.ok(named('denyUsers', name).deniedSubject(identity), name)
  }
  t.notOk(named('allowUsers', 'local').isAllowed(identityOf({ users: [...NAMES, 'other'] })))
})

t.test('nobody is banned by a policy that bans nobody, nor the exempt, nor in observe mode', async (t) => {
  const rooms = await setUp(t)
  const caller = { users: ['42'], address: '203.0.113.9' }
  t.equal(await cross(rooms, caller, { policy: policyOf({ enabled: false }) }), undefined)
  t.equal(await cross(rooms, caller, { policy: policyOf({ durationMs: 0 }) }), undefined)
  t.equal(await cross(rooms, caller, { exempt: true }), undefined)
  t.equal(await cross(rooms, caller, { breach: { shadow: true } }), undefined)
  t.equal(rooms.book.size, 0)
  const userOnly = policyOf({ address: { enabled: false, sharedBy: 5, withinMs: HOUR } })
  t.ok(await cross(rooms, caller, { policy: userOnly }))
  t.match(rooms.book.get('user:42'), { linked: [], note: /not banned by policy/ })
  t.equal(rooms.book.size, 1)
})

t.test('an address that is probably a proxy of ours is never banned, which is said once', async (t) => {
  const rooms = await setUp(t)
  const caller = { users: ['42'], address: '10.0.0.2', bannable: false }
  t.ok(await cross(rooms, caller))
  t.match(rooms.book.get('user:42')?.note, /spared/)
  t.equal(await cross(rooms, { address: '10.0.0.2', bannable: false }), undefined, 'anonymous: nobody')
  t.equal(rooms.book.size, 1)
  t.equal(rooms.log.lines.filter((line) => line.message.includes('GATEWAY_TRUST_PROXY')).length, 1)
})

/** That many users were seen on the address just now. */
async function populate (rooms: RoomsRig, address: string, count: number) {
  for (let i = 0; i < count; i++) await rooms.check({ users: [`bystander-${i}`], address })
}

t.test('an address shared with more bystanders than the policy says is spared, and the record says so', async (t) => {
  const rooms = await setUp(t)
  const address = '203.0.113.9'
  await populate(rooms, address, 5)
  t.ok(await cross(rooms, { users: ['a'], address }))
  t.ok(rooms.book.get(`ip:${address}`), 'five others are not more than five')
  await rooms.book.lift('user:a', { by: 'test' })

  const shared = '203.0.113.10'
  await populate(rooms, shared, 6)
  t.ok(await cross(rooms, { users: ['b'], address: shared }))
  t.equal(rooms.book.get(`ip:${shared}`), undefined)
  t.match(rooms.book.get('user:b'), { linked: [], note: /203\.0\.113\.10 was spared: 6 other users/ })
  t.equal(await cross(rooms, { address: shared }), undefined, 'also when the violation was anonymous')
  t.match(rooms.log.lines.at(-1), { bans: [], spared: /spared/, message: 'nobody was banned' })
})

t.test('two users banned on one address within the hour void the guard', async (t) => {
  const rooms = await setUp(t)
  const address = '203.0.113.9'
  await populate(rooms, address, 20)
  await cross(rooms, { users: ['a'], address })
  await cross(rooms, { users: ['a'], address })
  t.equal(rooms.book.get(`ip:${address}`), undefined, 'one user twice is one user')
  rooms.clock.advance(59 * MINUTE)
  await populate(rooms, address, 20)
  await cross(rooms, { users: ['b'], address })
  t.match(rooms.book.get(`ip:${address}`), { linked: ['user:b'] })

  const other = '203.0.113.10'
  await populate(rooms, other, 20)
  await cross(rooms, { users: ['c'], address: other })
  rooms.clock.advance(HOUR + 1)
  await populate(rooms, other, 20)
  await cross(rooms, { users: ['d'], address: other })
  t.equal(rooms.book.get(`ip:${other}`), undefined, 'an hour later it stands again')
})

t.test('only bystanders count: seen within the time, verified, and without a violation for a day', async (t) => {
  const rooms = await setUp(t)
  const address = '203.0.113.9'
  await populate(rooms, address, 6)
  await rooms.stores.scores.book({ id: 'v0', breach: breachOf('user:bystander-0', { score: 1 }), now: T0 })
  await cross(rooms, { users: ['a'], address })
  t.ok(rooms.book.get(`ip:${address}`), 'one of six is none of them')
  rooms.clock.advance(24 * HOUR + MINUTE)
  await populate(rooms, address, 6)
  await cross(rooms, { users: ['b'], address })
  t.equal(rooms.book.get(`ip:${address}`), undefined, 'a day later he is')
  rooms.clock.advance(HOUR + 1)
  await cross(rooms, { users: ['c'], address })
  t.ok(rooms.book.get(`ip:${address}`), 'who was seen longer ago does not count')
  const guests = '203.0.113.11'
  for (let i = 0; i < 6; i++) await rooms.check({ users: [{ id: `guest_${i}`, guest: true }], address: guests })
  await cross(rooms, { users: ['e'], address: guests })
  t.ok(rooms.book.get(`ip:${guests}`), 'guests do not count: they are their address')
  const programs = '203.0.113.12'
  for (let i = 0; i < 20; i++) await rooms.check({ users: [`key:${i}`], address: programs })
  await cross(rooms, { users: ['f'], address: programs })
  t.ok(rooms.book.get(`ip:${programs}`), 'nor do keys: anybody may have any number of them')
  const always = '203.0.113.10'
  await populate(rooms, always, 20)
  await cross(rooms, { users: ['d'], address: always }, { policy: policyOf({ address: { enabled: true, sharedBy: 0, withinMs: HOUR } }) })
  t.ok(rooms.book.get(`ip:${always}`), '0 = always both')
})

t.test('what is known of users and addresses is bounded', async (t) => {
  const users = createAddressUsers()
  for (let i = 0; i < 600; i++) users.seen('ip:1.1.1.1', `u${i}`, T0 + i)
  t.equal(users.seenSince('ip:1.1.1.1', 0, undefined).length, 500)
  t.notOk(users.seenSince('ip:1.1.1.1', 0, undefined).includes('u0'), 'the longest unseen is forgotten')
  t.equal(users.seenSince('ip:1.1.1.1', 0, 'u599').length, 499)
  for (let i = 0; i < 10_000; i++) users.seen(`ip:a${i}`, 'u', T0)
  t.equal(users.seenSince('ip:1.1.1.1', 0, undefined).length, 0)
  for (let a = 0; a < 500; a++) for (let u = 0; u < 500; u++) users.seen(`ip:b${a}`, `u${u}`, T0)
  t.equal(users.seenSince('ip:b0', 0, undefined).length, 0, 'pairs in all, too')
  t.equal(users.seenSince('ip:b499', 0, undefined).length, 500)
  users.seen('ip:c', 'u', T0)
  users.seen('ip:c', 'u', T0 + MINUTE - 1)
  t.same(users.seenSince('ip:c', T0 + 1, undefined), [], 'noted once a minute')
  users.seen('ip:c', 'u', T0 + MINUTE)
  t.same(users.seenSince('ip:c', T0 + 1, undefined), ['u'])
})
