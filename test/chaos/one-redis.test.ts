import t from 'tap'
import { startRedis } from '../helpers/redis.js'
import { faultsOf, SERVER_ARGS } from './faults.js'
import { tableOf, type Row } from './figures.js'
import { flooderOf, isBanned } from './proofs.js'
import { BANNED, endure, IS_LONG, openPlay } from './trial.js'

t.test('whatever befalls a Redis, nobody is answered 5xx whose limiter is not closed, bans hold, all recovers', async (t) => {
  const server = await startRedis(t, { args: SERVER_ARGS })
  const play = await openPlay(t, server.url)
  const rows: Row[] = []
  const faults = faultsOf(server)
  for (const fault of faults) {
    await t.test(fault.name, async (t) => { rows.push(await endure(t, play, fault)) })
  }
  // Redis lost its data twice, and at the end once more: it has the bans from the gateways.
  const newcomer = await play.stage.another()
  for (const { isAbsence, name } of faults) {
    if (isAbsence) t.ok(await isBanned(play.load, newcomer, flooderOf(name)), `who was banned then is banned: ${name}`)
  }
  t.ok(await isBanned(play.load, newcomer, BANNED))
  if (IS_LONG) process.stderr.write(`\n${tableOf(rows)}\n\n`)
})
