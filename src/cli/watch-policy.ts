import { watch, type FSWatcher } from 'chokidar'
import type { Logger } from 'pino'
import { ConfigErrors } from '../config/config.js'
import { loadPolicy, type LoadPolicyOptions } from '../policy/load-policy.js'
import type { Portcullis } from '../portcullis.js'

/** An editor writes a file in several steps; the last one counts. */
const SETTLE_MS = 100

export interface WatchOptions extends LoadPolicyOptions {
  readonly files: readonly string[]
  readonly portcullis: Pick<Portcullis, 'reload'>
  readonly log: Logger
}

/** Applies changes of policy file and chat.yaml; a bad file is refused with all its errors and the last good one stays. */
export function watchPolicy (options: WatchOptions): FSWatcher {
  let timer: NodeJS.Timeout | undefined
  const watcher = watch([...options.files], { ignoreInitial: true })
  watcher.on('all', () => {
    clearTimeout(timer)
    timer = setTimeout(() => { reload(options).catch(() => {}) }, SETTLE_MS)
  })
  return watcher
}

async function reload ({ portcullis, log, ...options }: WatchOptions): Promise<void> {
  try {
    const { policy, warnings } = await loadPolicy(options)
    portcullis.reload(policy)
    log.info({ preset: policy.preset, mode: policy.mode }, 'the changed policy is in force')
    for (const warning of warnings) log.warn(warning)
  } catch (error) {
    const mistakes = error instanceof ConfigErrors ? { mistakes: error.message.split('\n') } : { err: error }
    log.error(mistakes, 'the changed policy is refused; the last good one stays in force')
  }
}
