import { ObjectId } from 'mongodb'
import t, { type Test } from 'tap'
import { createAccountDirectory } from '../../src/accounts/accounts.js'
import { createAccountLookup } from '../../src/stores/mongo/account-lookup.js'
import { openMongo } from '../../src/stores/mongo/mongo.js'
import { keptLog, manualClock, MINUTE } from '../bans/ban-rig.js'
import { until } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import { openShell, startWire } from '../stores/mongo-rig.js'

const server = await startMongo(t)

/** A directory that looks up, and counts what it asks for. */
function directoryOf (lookUp: (email: string) => Promise<string | undefined>, deadlineMs?: number) {
  const clock = manualClock()
  const log = keptLog()
  const asked: string[] = []
  const directory = createAccountDirectory({
    clock: clock.read, log, ...(deadlineMs === undefined ? {} : { deadlineMs }),
    lookUp: (email) => { asked.push(email); return lookUp(email) },
  })
  return { directory, asked, clock, log }
}

function openLookup (t: Test, uri: string) {
  const mongo = openMongo({ uri })
  t.teardown(() => mongo.close())
  return createAccountLookup({ mongo })
}

t.test('an e-mail names the account that the chat app keeps under it', async (t) => {
  const { users } = await openShell(t, server.uri)
  const id = new ObjectId()
  await users.insertMany([
    { _id: id, email: 'ann@example.com' }, { _id: 'text-id', email: 'bob@example.com' } as never,
    { _id: 7, email: 'number@example.com' } as never, { email: '$where' },
  ])
  const before = await users.countDocuments()
  const lookUp = openLookup(t, server.uri)
  t.equal(await lookUp('ann@example.com'), id.toHexString())
  t.equal(await lookUp('bob@example.com'), 'text-id')
  t.equal(await lookUp('number@example.com'), undefined, 'no id that we could know')
  t.equal(await lookUp('nobody@example.com'), undefined)
  t.equal(await lookUp('ann@example.com\0'), undefined)
  t.equal(await lookUp('.*'), undefined, 'no pattern')
  for (const hostile of [{ $gt: '' }, { $ne: null }, /./, ['ann@example.com'], null, undefined, 1]) {
    t.equal(await lookUp(hostile as never), undefined, 'only a text is asked about')
  }
  t.type(await lookUp('$where'), 'string', 'a text that looks like an operator is a text')
  t.equal(await users.countDocuments(), before)
})

t.test('answers are kept, misses for a shorter time; who has just signed in is newer', async (t) => {
  const accounts = new Map([['ann@example.com', '1']])
  const { directory, asked, clock } = directoryOf(async (email) => accounts.get(email))
  t.equal(await directory.idOf('ann@example.com'), '1')
  t.equal(directory.idOf('ann@example.com'), '1', 'at once')
  t.equal(await directory.idOf('bob@example.com'), undefined)
  t.equal(directory.idOf('bob@example.com'), undefined)
  t.strictSame(asked, ['ann@example.com', 'bob@example.com'])
  clock.advance(MINUTE)
  accounts.set('bob@example.com', '2')
  t.equal(await directory.idOf('bob@example.com'), '2', 'registered meanwhile')
  t.equal(directory.idOf('ann@example.com'), '1')
  clock.advance(5 * MINUTE)
  accounts.set('ann@example.com', '11')
  t.equal(await directory.idOf('ann@example.com'), '11', 'an account that was made anew')

  directory.learn('eve@example.com', '3')
  t.equal(await directory.idOf('eve@example.com'), '3', 'learnt, though the collection has none')
  t.equal(directory.idOf('eve@example.com'), '3')
  directory.learn('ann@example.com', '12')
  accounts.delete('ann@example.com')
  t.equal(await directory.idOf('ann@example.com'), '12', 'what was looked up before the sign-in is forgotten')
  const alone = createAccountDirectory({ clock: clock.read, log: keptLog() })
  t.equal(alone.idOf('ann@example.com'), undefined)
  alone.learn('ann@example.com', '1')
  t.equal(alone.idOf('ann@example.com'), '1', 'without a database, sign-ins alone teach')
})

t.test('many sign-ins of one e-mail ask once; of many e-mails, a bounded number', async (t) => {
  let answer = (_id: string) => {}
  const reply = new Promise<string>((resolve) => { answer = resolve })
  const { directory, asked } = directoryOf(() => reply, 5000)
  directory.learn('late@example.com', '9')
  const same = [1, 2, 3].map(async () => directory.idOf('ann@example.com'))
  const others = Array.from({ length: 500 }, async (_, i) => directory.idOf(`${i}@example.com`))
  t.equal(directory.idOf('late@example.com'), '9', 'too many under way: what was learnt')
  t.equal(asked.length, 100)
  answer('1')
  t.strictSame(await Promise.all(same), ['1', '1', '1'])
  t.equal((await Promise.all(others)).filter((id) => id !== undefined).length, 99, 'the others are nobody that we know')
})

t.test('a database that fails is left in peace for a while, and nobody waits long', async (t) => {
  const users = openLookup(t, 'mongodb://127.0.0.1:1/chat')
  let isBack = false
  const { directory, asked, clock, log } = directoryOf((email) => isBack ? Promise.resolve('1') : users(email))
  directory.learn('ann@example.com', '1')
  for (let i = 0; i < 3; i++) {
    const began = performance.now()
    t.equal(await directory.idOf('ann@example.com'), '1', 'what was learnt counts')
    t.ok(performance.now() - began < 1000, 'within the deadline, give or take a busy machine')
  }
  t.equal(directory.idOf('ann@example.com'), '1', 'at once from now on')
  t.equal(directory.idOf('bob@example.com'), undefined)
  t.equal(asked.length, 3)
  t.equal(log.lines.filter(({ level }) => level === 'warn').length, 1, 'told once')

  clock.advance(10_000)
  const probe = directory.idOf('ann@example.com')
  t.equal(directory.idOf('bob@example.com'), undefined, 'one sign-in tries for all')
  t.equal(await probe, '1')
  t.equal(asked.length, 4)
  t.equal(directory.idOf('ann@example.com'), '1', 'failed again: rests again')
  clock.advance(10_000)
  isBack = true
  t.equal(await directory.idOf('bob@example.com'), '1')
  t.equal(await directory.idOf('eve@example.com'), '1', 'trusted again')
  t.equal(log.lines.at(-1)?.level, 'info')
  t.equal(log.lines.length, 2)
})

t.test('an answer that comes too late serves the next sign-in; a server that hangs holds nobody up', async (t) => {
  let hold = true
  let letGo = () => {}
  const gate = new Promise<undefined>((resolve) => { letGo = () => resolve(undefined) })
  const { users } = await openShell(t, server.uri)
  await users.insertOne({ _id: 'slow' as never, email: 'slow@example.com' })
  const wire = await startWire(t, server.uri, (command) => command['find'] !== undefined && hold ? gate : undefined)
  const { directory } = directoryOf(openLookup(t, wire.uri))
  const began = performance.now()
  t.equal(await directory.idOf('slow@example.com'), undefined)
  const tookMs = performance.now() - began
  t.ok(tookMs >= 190 && tookMs < 1500, `took ${Math.round(tookMs)} ms`)
  hold = false
  letGo()
  t.ok(await until(() => directory.idOf('slow@example.com') === 'slow', 2000))
})
