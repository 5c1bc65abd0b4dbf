/** npm run bench: what the gateway costs, measured beside its peers in the same run. See docs/performance.md. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureContent } from './content.js'
import { createProcesses, hasCommand } from './processes.js'
import { readOptions, USAGE } from './options.js'
import { measureProxying } from './proxying.js'
import { measureRedisMemory } from './redis-memory.js'
import { measureStreams } from './streaming.js'

/** The packages of the commands that are needed. */
const PACKAGES = { taskset: 'util-linux', wrk: 'wrk', 'redis-server': 'redis-server' }
const print = (text) => { process.stdout.write(`${text}\n`) }

try {
  process.exitCode = await main(readOptions(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function main (options) {
  if (options.help) {
    print(USAGE)
    return 0
  }
  if (options.content) return measureContent(print)
  const missing = missingFor(options)
  if (missing !== undefined) throw new Error(missing)
  if (options.redisMemory) return withRig(options, (rig) => measureRedisMemory(rig, print))
  if (!hasCommand('nginx')) print('nginx is not installed: no nginx beside us, and the backend is a node server (apt-get install nginx-light)')
  return withRig(options, (rig) => options.stream ? measureStreams(rig, print) : measureProxying(rig, print))
}

/** What is to be installed first; undefined: nothing. */
function missingFor ({ stream, redis, redisMemory, core, loadCore }) {
  if (process.platform !== 'linux') return 'CPU time is read from /proc: this needs Linux'
  const needed = ['taskset', ...stream || redisMemory ? [] : ['wrk'], ...redis || redisMemory ? ['redis-server'] : []]
  const commands = needed.filter((name) => !hasCommand(name))
  if (commands.length > 0) return `${commands.join(' and ')} not found: apt-get install ${commands.map((name) => PACKAGES[name]).join(' ')}`
  const cores = availableParallelism()
  const outside = [core, loadCore].find((one) => Number(one) >= cores)
  return outside === undefined ? undefined : `there is no core ${outside}: this machine has ${cores} (--core, --load-core)`
}

/** Gives a work folder outside the project and stops and removes everything at the end, however it comes. */
async function withRig (options, measure) {
  const workDir = mkdtempSync(join(tmpdir(), 'portcullis-bench-'))
  const processes = createProcesses(workDir)
  const cleanUp = async () => {
    await processes.stop()
    rmSync(workDir, { recursive: true, force: true })
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => { cleanUp().finally(() => process.exit(130)) })
  try {
    execFileSync('taskset', ['-acp', options.loadCore, String(process.pid)], { stdio: 'ignore' })
    const wrong = await measure({ options, processes, workDir, core: options.core, loadCore: options.loadCore })
    if (wrong > 0) print(`\n${wrong} requests were answered wrongly: the figures above do not count`)
    return wrong > 0 ? 1 : 0
  } finally {
    await cleanUp()
  }
}
