import t from 'tap'
import { createBanBook } from '../../src/bans/bans.js'
import type { Ban, BanChanges, BanStore } from '../../src/bans/contract.js'
import { createMemoryBans } from '../../src/stores/memory/bans.js'
import { createBanRelay, type BanRelay } from '../../src/workers/ban-relay.js'
import { createBanSender } from '../../src/workers/ban-sender.js'
import { isFromWorker } from '../../src/workers/read-message.js'
import { createSharedWarnings } from '../../src/workers/shared-warnings.js'
import { banOf, keptLog, keptStore, manualClock } from '../bans/ban-rig.js'

type Share = (changes: BanChanges) => Promise<void>

/** A primary and workers whom nothing joins but the relay: the shared store is away, or hangs. */
async function openTree (workers: number, known: readonly Ban[] = []) {
  const clock = manualClock()
  const disk = keptStore()
  const relays: BanRelay[] = []
  const open = async (share: Share, store: BanStore) => {
    const log = keptLog()
    const relay = createBanRelay({ share, known })
    const book = createBanBook({ store: relay.wrap(store), clock: clock.read, log })
    await book.start()
    relays.push(relay)
    t.teardown(() => book.close())
    return { book, relay, log }
  }
  const passOn = async (changes: BanChanges, from?: BanRelay) => {
    for (const relay of relays.slice(1)) if (relay !== from) await relay.receive(structuredClone(changes))
  }
  const openWorker = async () => {
    const sender = createBanSender((id, changes) => {
      const kept = relays[0]?.receive(structuredClone(changes))
      kept?.then(() => sender.answered(id, undefined), (error: Error) => sender.answered(id, error.message))
      passOn(changes, worker.relay).catch(t.threw)
    })
    const dataDir = undefined
    const worker = await open(sender.share, createMemoryBans({ dataDir, clock: clock.read, log: keptLog() }))
    return worker
  }
  const primary = await open(passOn, disk.store)
  const members = []
  for (let i = 0; i < workers; i++) members.push(await openWorker())
  return { primary, workers: members, disk, clock, all: [primary, ...members] }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('a ban holds in all processes at once, and is durable when the primary has it', async (t) => {
  const { workers: [one], disk, all } = await openTree(2)
  const letGo = disk.hold()
  const ban = banOf('user:1')
  const placed = one?.book.place([ban])
  await turn()
  for (const { book } of all) t.same(book.get('user:1'), ban)
  t.same([...disk.disk], [])
  t.not(one?.book.durable(ban), undefined, 'a refusal waits')
  letGo()
  await placed
  t.same([...disk.disk.keys()], ['user:1'])
  t.equal(one?.book.durable(ban), undefined)

  disk.fail(true)
  await one?.book.place([banOf('user:2')])
  t.equal(one?.book.backlog, 1, 'what the primary could not keep is told and tried again')
  t.match(one?.log.lines, [{ level: 'error', err: { message: 'disk full' } }])
  disk.fail(false)
  one?.book.sweep()
  await turn()
  t.same([...disk.disk.keys()], ['user:1', 'user:2'])
  t.equal(one?.book.backlog, 0)
})

t.test('of a ban and a lift the later one holds, in whatever order word of them comes', async (t) => {
  const { primary, workers: [one, two], disk, clock, all } = await openTree(2)
  const ban = banOf('user:1')
  await one?.book.place([ban])
  clock.advance(1000)
  await primary.book.lift('user:1', { by: 'olga' })
  for (const { relay, book } of all) {
    t.equal(book.get('user:1'), undefined)
    t.equal(book.liftedAt('user:1'), ban.createdAt + 1000)
    await relay.receive({ placed: [ban], lifted: [] })
    t.equal(book.get('user:1'), undefined, 'the ban of before does not come back')
  }
  t.same([...disk.disk], [])

  clock.advance(1000)
  const again = banOf('user:1', { createdAt: clock.read(), linked: ['ip:192.0.2.1'] })
  await two?.book.place([again])
  for (const { relay, book } of all) {
    await relay.receive({ placed: [], lifted: [{ subject: 'user:1', liftedAt: ban.createdAt + 1000, by: 'olga' }] })
    t.same(book.get('user:1'), again, 'nor does the lift of before')
  }
  await Promise.all([one?.book.place([{ ...again, score: 30 }]), two?.book.place([{ ...again, expiresAt: null }])])
  await turn()
  for (const { book } of all) t.match(book.get('user:1'), { score: 20, expiresAt: null, linked: ['ip:192.0.2.1'] })
})

t.test('a worker begins with what the primary knows, and hears nothing before it can', async (t) => {
  const { workers: [one] } = await openTree(1, [banOf('user:1')])
  t.ok(one?.book.get('user:1'))
  const relay = createBanRelay({ share: async () => {} })
  await relay.receive({ placed: [banOf('user:1')], lifted: [] })
})

t.test('what no worker says is known as such', async (t) => {
  const changes = { placed: [banOf('user:1')], lifted: [{ subject: 'user:2', liftedAt: 1, by: 'olga' }] }
  const state = { metrics: [{ name: 'a' }], health: { status: 'ready', checks: {} } }
  const good = [
    { kind: 'hello' }, { kind: 'ready' }, { kind: 'taken', id: 1 }, { kind: 'returned', id: 1 },
    { kind: 'journal', records: [{ date: '2026-11-21' }] }, { kind: 'bans', id: 1, changes }, { kind: 'warning', line: '{' },
    { kind: 'answer', id: 1, state }, { kind: 'leaving', graceMs: 1 }, { kind: 'farewell', metrics: [] },
  ]
  for (const message of good) t.ok(isFromWorker(message), message.kind)
  const bad = [
    null, undefined, 'hello', [], {}, { kind: 'toString' }, { kind: 7 }, { kind: 'taken' }, { kind: 'journal' },
    { kind: 'journal', records: [null] }, { kind: 'bans', id: 1, changes: {} }, { kind: 'bans', changes },
    { kind: 'bans', id: 1, changes: { ...changes, placed: [{ subject: 5 }] } }, { kind: 'warning' },
    { kind: 'bans', id: 1, changes: { ...changes, lifted: [{ subject: 'user:2' }] } }, { kind: 'answer', id: 1 },
    { kind: 'answer', id: 1, state: { metrics: [null], health: state.health } }, { kind: 'leaving' }, { kind: 'farewell' },
  ]
  for (const message of bad) t.notOk(isFromWorker(message), JSON.stringify(message))
  const warnings = createSharedWarnings(() => 0)
  t.ok(warnings.isNews('{"level":"warn",cut', 1))
  t.notOk(warnings.isNews('{"level":"warn",cut', 2), 'a line that is cut off is a line all the same')
})
