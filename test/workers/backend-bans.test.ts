import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import { HOUR, openApp, rowOf } from '../stores/backend-rig.js'
import { openShell } from '../stores/mongo-rig.js'
import { ask, bearer, POLICY, startTree, surroundings, timesOf } from './worker-rig.js'

const ON = `${POLICY}bans: { importFromBackend: true }\n`

t.test('the primary takes the app\'s bans over for all workers, and follows the policy', async (t) => {
  const [{ cwd, env }, { uri }] = await Promise.all([surroundings(t), startMongo(t)])
  const shell = await openShell(t, uri)
  const app = openApp(shell.logs)
  const policyFile = join(cwd, 'config', 'portcullis.yaml')
  await writeFile(policyFile, ON)
  const tree = await startTree(t, { cwd, env: { ...env, MONGO_URI: uri } })
  const holds = async (user: string, status: number) => await until(async () => {
    const answers = await timesOf(8, async () => await ask(`${tree.url}/`, { headers: bearer(user) }).catch(() => undefined))
    return answers.every((answer) => answer?.status === status)
  }, 15_000)
  await app.set(rowOf('ann', Date.now() + HOUR))
  t.ok(await holds('ann', 403), 'in force in both')
  await app.remove('ann')
  t.ok(await holds('ann', 200))
  await app.set(rowOf('ann', Date.now() + HOUR))
  t.ok(await holds('ann', 403))
  t.equal(await tree.admin('/api/v1/bans/user%3Aann', { method: 'DELETE' }), 204)
  t.ok(await holds('ann', 200), 'a lift is one in both')
  await app.set(rowOf('bob', Date.now() + HOUR))
  t.ok(await holds('bob', 403))
  t.ok(await holds('ann', 200), 'and outlasts a further look')
  await writeFile(policyFile, POLICY)
  t.ok(await holds('bob', 200), 'switched off by a reload')
  await writeFile(policyFile, ON)
  t.ok(await holds('bob', 403))
  t.equal(await shell.logs.countDocuments({ type: 'ban' }), 0)
  t.equal(tree.lines().filter(({ msg, worker }) => msg === 'bans of the chat app were taken over' && worker !== undefined).length, 0)
})
