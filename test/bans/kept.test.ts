import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createMemoryBans } from '../../src/stores/memory/bans.js'
import { banOf, HOUR, keptLog, manualClock, T0 } from './ban-rig.js'

const FILE = 'bans.json'

async function openBans (t: Test, dataDir: string | undefined, clock = manualClock()) {
  const bans = createMemoryBans({ dataDir, clock: clock.read, log: keptLog() })
  t.teardown(() => bans.file.close())
  return { bans, loaded: await bans.load(), clock }
}

const liftOf = (subject: string, liftedAt = T0) => ({ subject, liftedAt, by: 'test' })
const readJson = async (dataDir: string) => JSON.parse(await readFile(join(dataDir, FILE), 'utf8'))

t.test('lifts are kept beside the bans for a day, the later of two of one subject', async (t) => {
  const dataDir = t.testdir()
  const { bans, clock } = await openBans(t, dataDir)
  await bans.save([banOf('user:1')])
  await bans.remove([liftOf('user:1'), liftOf('user:2', T0 + 5)])
  await bans.remove([liftOf('user:2', T0 + 1)])
  t.same(await readJson(dataDir), { $format: 1, bans: [], lifts: { 'user:1': T0, 'user:2': T0 + 5 } })
  t.same([...(await openBans(t, dataDir)).bans.lifts], [['user:1', T0], ['user:2', T0 + 5]])
  clock.advance(25 * HOUR + 1)
  await bans.save([banOf('user:3')])
  t.same((await readJson(dataDir)).lifts, { 'user:2': T0 + 5 })
})

t.test('lifts that the shared store may not have heard of are kept longer', async (t) => {
  const dataDir = t.testdir()
  const { bans, clock } = await openBans(t, dataDir)
  bans.contact = { generation: 'g', seq: 7, inStepAt: T0 }
  await bans.remove([liftOf('user:unsent', T0 + HOUR), liftOf('user:old', T0 - 26 * HOUR)])
  clock.advance(100 * HOUR)
  await bans.save([])
  t.same(await readJson(dataDir), { $format: 1, bans: [], lifts: { 'user:unsent': T0 + HOUR }, contact: { generation: 'g', seq: 7, inStepAt: T0 } })
  t.same((await openBans(t, dataDir)).bans.contact, { generation: 'g', seq: 7, inStepAt: T0 })
})

t.test('files of before, and records that later versions add, are read', async (t) => {
  const dataDir = t.testdir()
  const later = { ...banOf('user:1'), severity: 3 }
  await writeFile(join(dataDir, FILE), JSON.stringify({ $format: 1, bans: [later] }))
  const { bans, loaded } = await openBans(t, dataDir)
  t.same(loaded, [later])
  t.equal(bans.liftedAt('user:1'), undefined)
  await bans.save([])
  t.same((await readJson(dataDir)).bans, [later])
  await writeFile(join(dataDir, FILE), JSON.stringify({
    $format: 1, bans: [later], lifts: { 'user:2': 'yesterday', 'user:3': T0 }, contact: { generation: 7 },
  }))
  const again = await openBans(t, dataDir)
  t.same([...again.bans.lifts], [['user:3', T0]])
  t.equal(again.bans.contact, undefined)
  await writeFile(join(dataDir, FILE), JSON.stringify({ $format: 1, bans: [], contact: { generation: 'g', inStepAt: T0 } }))
  t.same((await openBans(t, dataDir)).bans.contact, { generation: 'g', seq: 0, inStepAt: T0 }, 'of before changes were counted')
})

t.test('lifts are bounded: the oldest are forgotten', async (t) => {
  const { bans } = await openBans(t, undefined)
  for (let i = 0; i < 100_010; i++) bans.mark(`user:${i}`, T0 + i)
  t.equal(bans.lifts.size, 100_000)
  t.equal(bans.liftedAt('user:9'), undefined)
  t.equal(bans.liftedAt('user:10'), T0 + 10)
})

t.test('without a directory bans are kept in memory alone', async (t) => {
  const { bans, loaded } = await openBans(t, undefined)
  t.same(loaded, [])
  await bans.save([banOf('user:1'), banOf('user:2')])
  await bans.remove([liftOf('user:1')])
  t.same([...bans.bans.keys()], ['user:2'])
})
