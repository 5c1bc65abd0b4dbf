import { watch } from 'chokidar'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { ConfigErrors, storeChanges } from '../config/config.js'
import { loadPolicy, type LoadedPolicy, type LoadPolicyOptions } from '../policy/load-policy.js'
import type { Running } from '../portcullis.js'

/** An editor writes a file in several steps; the last one counts. */
const SETTLE_MS = 100

export interface WatchOptions extends LoadPolicyOptions {
  /** What is in force at the start. */
  readonly loaded: LoadedPolicy
  readonly running: Pick<Running, 'reload'>
  readonly log: Logger
}

export interface PolicyWatcher {
  /** What is in force. */
  readonly loaded: LoadedPolicy
  /** Resolves when changes will be seen. */
  readonly ready: Promise<void>
  close (): Promise<void>
}

/**
 * Applies changes of policy file, chat.yaml and certificates; a bad file is refused with all its errors and the last
 * good one stays.
 */
export function watchPolicy (options: WatchOptions): PolicyWatcher {
  const { loaded, running, log, ...sources } = options
  let inForce = loaded
  let timer: NodeJS.Timeout | undefined
  // What was written between the first reading and now no watcher has seen.
  let mustCatchUp = true
  const watcher = watch([...loaded.config.watchFiles], { ignoreInitial: true })
  const apply = async () => {
    const next = await load(sources, log)
    if (next === undefined || watcher.closed) return
    const hasMissed = !mustCatchUp || !saysTheSame(next, inForce)
    mustCatchUp = false
    if (!hasMissed) return
    running.reload(next.policy, next.config.document)
    tell(log, loaded, next)
    inForce = next
    watcher.add([...next.config.watchFiles])
  }
  const applySoon = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      apply().catch((err: unknown) => { log.error({ err }, 'the changed policy could not be applied') })
    }, SETTLE_MS)
  }
  watcher.on('all', () => {
    mustCatchUp = false
    applySoon()
  })
  watcher.once('ready', applySoon)
  return {
    get loaded () { return inForce },
    ready: new Promise((resolve) => { watcher.once('ready', resolve) }),
    close: async () => {
      clearTimeout(timer)
      await watcher.close()
    },
  }
}

/** What was read, without the functions that tell where it stands: those are new with each reading. */
function saysTheSame ({ config: next }: LoadedPolicy, { config: last }: LoadedPolicy): boolean {
  return isDeepStrictEqual(
    [next.settings, next.document, next.variables, next.warnings],
    [last.settings, last.document, last.variables, last.warnings])
}

/** undefined: it is refused, and the log says why. */
async function load (sources: LoadPolicyOptions, log: Logger): Promise<LoadedPolicy | undefined> {
  try {
    return await loadPolicy(sources)
  } catch (error) {
    const mistakes = error instanceof ConfigErrors ? { mistakes: error.message.split('\n') } : { err: error }
    log.error(mistakes, 'the changed policy is refused; the last good one stays in force')
    return undefined
  }
}

function tell (log: Logger, started: LoadedPolicy, { config, policy, warnings }: LoadedPolicy): void {
  log.info({ preset: policy.preset, mode: policy.mode }, 'the changed policy is in force')
  for (const warning of warnings) log.warn(warning)
  const waiting = storeChanges(started.config.settings.store, config.settings.store)
  if (waiting.length > 0) log.warn({ changed: waiting }, 'these changes come into force with the next start')
}
