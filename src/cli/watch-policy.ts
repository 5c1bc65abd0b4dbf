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

/**
 * Applies changes of policy file, chat.yaml and certificates; a bad file is refused with all its errors and the last
 * good one stays.
 */
export function watchPolicy (options: WatchOptions): FSWatcher {
  let timer: NodeJS.Timeout | undefined
  const watcher = watch([...options.files], { ignoreInitial: true })
  const apply = () => {
    reload(options).then((files) => {
      // To add something would open a closed watcher again.
      if (!watcher.closed) watcher.add([...files])
    }).catch(() => {})
  }
  watcher.on('all', () => {
    clearTimeout(timer)
    timer = setTimeout(apply, SETTLE_MS)
  })
  return watcher
}

/** Answers the files that the policy now in force is made of. */
async function reload ({ portcullis, log, files, ...options }: WatchOptions): Promise<readonly string[]> {
  try {
    const { config, policy, warnings } = await loadPolicy(options)
    portcullis.reload(policy)
    log.info({ preset: policy.preset, mode: policy.mode }, 'the changed policy is in force')
    for (const warning of warnings) log.warn(warning)
    return config.watchFiles
  } catch (error) {
    const mistakes = error instanceof ConfigErrors ? { mistakes: error.message.split('\n') } : { err: error }
    log.error(mistakes, 'the changed policy is refused; the last good one stays in force')
    return files
  }
}
