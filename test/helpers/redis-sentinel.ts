import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until, type Teardown } from './backends.js'
import { quietPort } from './quiet-port.js'
import { end, startRedis, watch, type RedisServer } from './redis.js'

const READY_MS = 20_000
const MASTER_NAME = 'gate'
const run = promisify(execFile)

export interface RedisSentinel {
  /** `redis+sentinel://127.0.0.1:<port>/gate`, as the configuration takes it. */
  readonly url: string
  /** The first master; after a failover it may be the replica. */
  readonly master: RedisServer
  readonly replica: RedisServer
  /** Kills the first master; resolves when the sentinel names the replica and that takes writes. Once only. */
  failover (): Promise<void>
  /** Lets the two change places, both alive; resolves when the sentinel names the other. Once only. */
  switchOver (): Promise<void>
  /** Kills the sentinel itself; resolves when it is gone. */
  stop (): Promise<void>
}

/** A master, its replica and a sentinel with a quorum of one, on 127.0.0.1; gone with the test. */
export async function startSentinel (t: Teardown): Promise<RedisSentinel> {
  // A full copy would otherwise wait 5 s for further replicas.
  const master = await startRedis(t, { args: ['--repl-diskless-sync-delay', '0'] })
  const replica = await startRedis(t, { args: ['--replicaof', '127.0.0.1', String(master.port)] })
  const isLinked = await until(async () => (await replica.cli('INFO', 'replication')).includes('master_link_status:up'), READY_MS)
  if (!isLinked) throw new Error('The replica did not find its master.')
  const watcher = await startWatcher(t, master.port)
  const { ask } = watcher
  const sees = async () => (await ask('SENTINEL', 'REPLICAS', MASTER_NAME)).includes('master-link-status\nok')
  if (!await until(sees, READY_MS)) throw new Error('The sentinel did not find the replica.')
  const promoted = async () => {
    const isPromoted = await until(async () => {
      const named = await ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)
      return named.includes(String(replica.port)) && (await replica.cli('ROLE')).startsWith('master')
    }, READY_MS)
    if (!isPromoted) throw new Error('The sentinel promoted nobody.')
  }
  return {
    url: `redis+sentinel://127.0.0.1:${watcher.port}/${MASTER_NAME}`,
    master,
    replica,
    stop: watcher.stop,
    switchOver: async () => {
      // Not while the sentinel still has to hear from the replica.
      await until(async () => await ask('SENTINEL', 'FAILOVER', MASTER_NAME) === 'OK', READY_MS)
      await promoted()
    },
    failover: async () => {
      await master.kill()
      await promoted()
    },
  }
}

interface Watcher {
  readonly port: number
  ask (...words: string[]): Promise<string>
  stop (): Promise<void>
}

async function startWatcher (t: Teardown, masterPort: number): Promise<Watcher> {
  const port = await quietPort()
  const dir = await mkdtemp(join(tmpdir(), 'sentinel-'))
  const file = join(dir, 'sentinel.conf')
  // A sentinel needs a file: it writes what it learns into it.
  await writeFile(file, [
    `port ${port}`, 'bind 127.0.0.1', `dir ${dir}`, `logfile ${join(dir, 'sentinel.log')}`,
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 1`,
    `sentinel down-after-milliseconds ${MASTER_NAME} 500`, `sentinel failover-timeout ${MASTER_NAME} 3000`, '',
  ].join('\n'))
  const process = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  const hasEnded = watch(process)
  t.teardown(async () => {
    await end(process)
    await rm(dir, { recursive: true, force: true })
  })
  const ask = async (...words: string[]) => (await run('redis-cli', ['-p', String(port), ...words])).stdout.trim()
  const answers = () => ask('PING').then((answer) => answer === 'PONG', () => false)
  if (!await until(() => hasEnded() || answers(), READY_MS) || hasEnded()) {
    throw new Error(`The sentinel did not start:\n${await readFile(join(dir, 'sentinel.log'), 'utf8').catch(() => '')}`)
  }
  return { port, ask, stop: () => end(process) }
}
