import { writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../helpers/backends.js'
import { ask, isAlive, POLICY, runTree, sampleOf, startTree, surroundings, timesOf } from './worker-rig.js'

t.test('SIGTERM under load resets nobody, ends what is in flight, and exits with 0', async (t) => {
  const { cwd, env } = await surroundings(t)
  const tree = await startTree(t, { cwd, env })
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  t.teardown(() => agent.destroy())
  const failures: string[] = []
  let [isOver, answers] = [false, 0]
  const client = async (agent: Agent | false) => {
    while (!isOver) {
      try {
        const { status } = await ask(`${tree.url}/x`, { agent })
        if (status === 200) answers++
        else failures.push(String(status))
      } catch (error) {
        const { code = '', syscall } = error as NodeJS.ErrnoException
        // Whoever comes too late is refused, or reset by the kernel before the gateway knows of him.
        if (syscall === 'connect') isOver = true
        else failures.push(`${code} ${agent === false ? 'fresh' : 'kept'}`)
      }
    }
  }
  const clients = [...Array(8).fill(agent), ...Array(8).fill(false)].map((agent) => client(agent as Agent | false))
  await until(() => answers > 400, 10_000)
  const slow = timesOf(6, () => ask(`${tree.url}/slow`))
  await until(async () => sampleOf(await tree.metrics(), 'portcullis_open_exchanges') >= 6, 2000)
  tree.child.kill('SIGTERM')
  for (const answer of await slow) t.same(answer, { status: 200, body: 'begun, done' })
  await Promise.all(clients)
  t.same(failures, [])
  t.equal(await tree.exit, 0)
  t.match(tree.lines().at(-1), { msg: 'stopped' })
})

t.test('a stop while a worker is being replaced, and what outlives the grace, hold up nothing', async (t) => {
  const { cwd, env } = await surroundings(t)
  await writeFile(join(cwd, 'config', 'portcullis.yaml'), `${POLICY}limits: { shutdownGrace: 300ms }\n`)
  const tree = await startTree(t, { cwd, env })
  const pids = [...tree.pids().values()]
  const slow = ask(`${tree.url}/slow`).then(() => 'answered', (error: NodeJS.ErrnoException) => error.code)
  await until(async () => sampleOf(await tree.metrics(), 'portcullis_open_exchanges') === 1, 2000)
  process.kill(pids[0] as number, 'SIGKILL')
  await until(() => tree.output().includes('a worker has ended'), 5000)
  const begun = performance.now()
  tree.child.kill('SIGTERM')
  t.equal(await tree.exit, 0)
  t.ok(performance.now() - begun < 5000)
  t.equal(await slow, 'ECONNRESET')
  for (const pid of pids) t.notOk(isAlive(pid))
})

t.test('workers do not outlive their primary', async (t) => {
  const { cwd, env } = await surroundings(t)
  const tree = await startTree(t, { cwd, env })
  const pids = [...tree.pids().values()]
  tree.child.kill('SIGKILL')
  t.ok(await until(() => !pids.some(isAlive), 5000))
  const failed = await new Promise((resolve) => { connect(tree.port, '127.0.0.1').on('error', resolve) })
  t.match(failed, { code: 'ECONNREFUSED' })
})

t.test('workers that cannot live end the whole with 1 and the reason', async (t) => {
  const { cwd, env } = await surroundings(t)
  await writeFile(join(cwd, 'die.mjs'), 'if (process.env.PORTCULLIS_WORKER !== undefined) process.exit(7)\n')
  const tree = runTree(t, { cwd, env: { ...env, NODE_OPTIONS: `--import=${join(cwd, 'die.mjs')}` } })
  t.equal(await tree.exit, 1)
  t.match(tree.output(), /^portcullis: worker \d ended 5 times in a row, each within 5 s of its start: giving up$/m)
})
