import closeWithGrace from 'close-with-grace'
import type { Command } from 'commander'
import type { Logger } from 'pino'
import { systemClock } from '../clock.js'
import { whatToTry } from '../demo/what-to-try.js'
import { loadPolicy, type LoadedPolicy } from '../policy/load-policy.js'
import { createPortcullis, type Listening, type Portcullis } from '../portcullis.js'
import { createLogger } from '../telemetry/logger.js'
import { startDemo, type Demo } from './demo.js'
import type { Terminal } from './terminal.js'
import { version } from './version.js'
import { watchPolicy } from './watch-policy.js'

const ALONE = 'with the memory store every process would count for itself'

const DEFAULT_ADMIN = 'http://127.0.0.1:9090'

/** `portcullis start` */
export function addStart (program: Command, terminal: Terminal): void {
  program.command('start')
    .description('run the gateway; without UPSTREAM_URL, in front of the bundled demo chat backend')
    .option('--workers <n>', 'processes; more than one needs Redis, which this version does not speak yet', '1')
    .action(async ({ workers }: { workers: string }, command: Command) => {
      if (workers !== '1') command.error(`error: --workers: found ${JSON.stringify(workers)}, expected 1: ${ALONE}`)
      await start(terminal)
    })
}

async function start (terminal: Terminal): Promise<void> {
  const { stdout } = terminal
  const first = await loadPolicy(terminal)
  const demo = first.config.settings.upstreamGiven ? undefined : await startDemo(first.config.settings, terminal.env)
  // The demo backend's address and secrets come in as if the operator had set them.
  const options = demo === undefined ? terminal : { ...terminal, env: { ...terminal.env, ...demo.env } }
  try {
    const loaded = demo === undefined ? first : await loadPolicy(options)
    const { settings } = loaded.config
    const log = createLogger({ pretty: stdout.isTTY === true, level: settings.logLevel })
    const portcullis = await createPortcullis({ settings, policy: loaded.policy, clock: systemClock, log, version })
    const listening = await listenOrClose(portcullis)
    announce(log, loaded, { listening, demo })
    if (demo !== undefined) stdout.write(whatToTry({ gatewayUrl: listening.gateway, command: commandFor(listening) }))
    const watcher = watchPolicy({ ...options, portcullis, log, files: loaded.config.watchFiles })
    await untilStopped({ portcullis, log, stopWatching: () => watcher.close() })
  } finally {
    demo?.stop()
  }
}

/** How the reader calls us from another terminal, which knows nothing of this one's ports. */
function commandFor ({ admin }: Listening): string {
  return admin === DEFAULT_ADMIN ? 'npx portcullis' : `PORTCULLIS_ADMIN_URL=${admin} npx portcullis`
}

/** A gateway that cannot listen must not go on holding its data directory, or look ready. */
async function listenOrClose (portcullis: Portcullis): Promise<Listening> {
  try {
    return await portcullis.listen()
  } catch (error) {
    await portcullis.close(0)
    throw error
  }
}

interface Started { readonly listening: Listening, readonly demo: Demo | undefined }

/** One line with all that matters, then what will not work as configured. */
function announce (log: Logger, { config, policy, warnings }: LoadedPolicy, { listening, demo }: Started): void {
  log.info({
    gateway: listening.gateway,
    admin: listening.admin,
    upstream: policy.upstream.url,
    preset: policy.preset,
    mode: policy.mode,
    store: 'memory',
    dataDir: config.settings.dataDir,
    ...(listening.tokenFile === undefined ? {} : { adminTokenFile: listening.tokenFile }),
  }, demo === undefined ? 'portcullis is running' : 'portcullis is running in front of the demo chat backend (UPSTREAM_URL is not set)')
  log.info('bans are listed and lifted by: portcullis bans')
  for (const warning of warnings) log.warn(warning)
}

interface Running {
  readonly portcullis: Portcullis
  readonly log: Logger
  stopWatching (): Promise<void>
}

/** Resolves once a signal came and everything has been brought to its end. */
async function untilStopped ({ portcullis, log, stopWatching }: Running): Promise<void> {
  const graceMs = portcullis.gateway.policy.shutdownGraceMs
  const stopped = Promise.withResolvers<void>()
  // The grace is ours to keep: what outlives it is cut by `close`, so the emergency exit comes later.
  closeWithGrace({ delay: graceMs + 10_000 }, async ({ err, signal }) => {
    if (err !== undefined) log.error({ err }, 'an error that nobody caught: shutting down')
    else log.info({ signal, graceMs }, 'shutting down')
    await stopWatching()
    await portcullis.close(graceMs)
    log.info('stopped')
    stopped.resolve()
  })
  await stopped.promise
}
