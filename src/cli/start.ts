import type { Command } from 'commander'
import type { Logger } from 'pino'
import { systemClock } from '../clock.js'
import { whatToTry } from '../demo/what-to-try.js'
import { loadPolicy, type LoadedPolicy } from '../policy/load-policy.js'
import { createPortcullis, type Listening, type Running } from '../portcullis.js'
import { createLogger, createSink } from '../telemetry/logger.js'
import { createFork, workerNumber } from '../workers/fork.js'
import { createPrimary, type PrimaryOptions } from '../workers/primary.js'
import { createSharedWarnings, isWarning } from '../workers/shared-warnings.js'
import { runWorker } from '../workers/worker.js'
import { startDemo, type Demo } from './demo.js'
import type { Terminal } from './terminal.js'
import { untilStopped, type Whole } from './until-stopped.js'
import { version } from './version.js'
import { watchPolicy } from './watch-policy.js'

const MAX_WORKERS = 64
/** Number under which the primary's own warnings are compared with those of its workers. */
const PRIMARY = 0
const ALONE = 'with the memory store every process would count for itself'

const DEFAULT_ADMIN = 'http://127.0.0.1:9090'

/** `portcullis start` */
export function addStart (program: Command, terminal: Terminal): void {
  program.command('start')
    .description('run the gateway; without UPSTREAM_URL, in front of the bundled demo chat backend')
    .option('--workers <n>', `processes that serve, 1 to ${MAX_WORKERS}; more than one needs Redis (REDIS_URI)`, '1')
    .action(async ({ workers }: { workers: string }, command: Command) => {
      const number = workerNumber(terminal.env)
      if (number !== undefined) return await runWorker({ number, pretty: isForPeople(terminal) })
      const refuse = (expected: string) => {
        command.error(`error: --workers: found ${JSON.stringify(workers)}, expected ${expected}`)
      }
      const count = /^[1-9]\d?$/.test(workers) ? Number(workers) : 0
      if (count === 0 || count > MAX_WORKERS) refuse(`a whole number from 1 to ${MAX_WORKERS}`)
      const first = await loadPolicy(terminal)
      const { store } = first.config.settings
      if (count > 1 && store.redis === undefined) refuse(`1 while state is kept in memory (no REDIS_URI, or USE_REDIS=false): ${ALONE}`)
      return await start(terminal, { first, count })
    })
}

interface Wanted { readonly first: LoadedPolicy, readonly count: number }

async function start (terminal: Terminal, { first, count }: Wanted): Promise<void> {
  const demo = first.config.settings.upstreamGiven ? undefined : await startDemo(first.config.settings, terminal.env)
  // The demo backend's address and secrets come in as if the operator had set them.
  const options = demo === undefined ? terminal : { ...terminal, env: { ...terminal.env, ...demo.env } }
  try {
    const loaded = demo === undefined ? first : await loadPolicy(options)
    const { log, onWarning } = openLog(loaded, { terminal, count })
    const running = await build(loaded, { env: options.env, count, log, onWarning })
    const listening = await listenOrClose(running)
    announce(log, loaded, { listening, demo, count })
    if (demo !== undefined) {
      terminal.stdout.write(whatToTry({ gatewayUrl: listening.gateway, command: commandFor(listening) }))
    }
    const watcher = watchPolicy({ ...options, running, log, loaded })
    const graceMs = () => watcher.loaded.policy.shutdownGraceMs
    await untilStopped({ running, log, graceMs, stopWatching: watcher.close })
  } finally {
    demo?.stop()
  }
}

function isForPeople ({ stdout }: Terminal): boolean {
  return stdout.isTTY === true
}

/** The log of this process and of what its workers would have it say. */
function openLog ({ config }: LoadedPolicy, { terminal, count }: { terminal: Terminal, count: number }) {
  const sink = createSink({ pretty: isForPeople(terminal) })
  const warnings = createSharedWarnings(() => performance.now())
  const divert = (line: string) => count > 1 && isWarning(line) && !warnings.isNews(line, PRIMARY)
  const onWarning = (line: string, worker: number) => { if (warnings.isNews(line, worker)) sink.write(line) }
  return { log: createLogger({ destination: sink, level: config.settings.logLevel, divert }), onWarning }
}

/** One process, or a primary whose workers get the same environment. */
async function build ({ config, policy }: LoadedPolicy, around: Around): Promise<Whole> {
  const { env, count, log, onWarning } = around
  const options = { settings: config.settings, policy, clock: systemClock, log, version }
  if (count === 1) return await createPortcullis(options)
  return await createPrimary({ ...options, document: config.document, count, fork: createFork(env), onWarning })
}

interface Around extends Pick<PrimaryOptions, 'onWarning'> {
  readonly env: Terminal['env']
  readonly count: number
  readonly log: Logger
}

/** How the reader calls us from another terminal, which knows nothing of this one's ports. */
function commandFor ({ admin }: Listening): string {
  return admin === DEFAULT_ADMIN ? 'npx portcullis' : `PORTCULLIS_ADMIN_URL=${admin} npx portcullis`
}

/** A gateway that cannot listen must not go on holding its data directory, or look ready. */
async function listenOrClose (running: Running): Promise<Listening> {
  try {
    return await running.listen()
  } catch (error) {
    await running.close(0)
    throw error
  }
}

interface Started { readonly listening: Listening, readonly demo: Demo | undefined, readonly count: number }

/** One line with all that matters, then what will not work as configured. */
function announce (log: Logger, { config, policy, warnings }: LoadedPolicy, { listening, demo, count }: Started): void {
  const { store, dataDir } = config.settings
  log.info({
    gateway: listening.gateway,
    admin: listening.admin,
    upstream: policy.upstream.url,
    preset: policy.preset,
    mode: policy.mode,
    store: store.redis === undefined ? 'memory' : `redis (${store.redis.topology})`,
    ...(store.mongoUri === undefined ? {} : { banDocuments: 'mongodb' }),
    ...(count === 1 ? {} : { workers: count }),
    dataDir,
    ...(listening.tokenFile === undefined ? {} : { adminTokenFile: listening.tokenFile }),
  }, demo === undefined ? 'portcullis is running' : 'portcullis is running in front of the demo chat backend (UPSTREAM_URL is not set)')
  for (const warning of warnings) log.warn(warning)
}
