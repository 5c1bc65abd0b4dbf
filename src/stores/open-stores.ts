import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import type { RedisSettings } from '../redis-settings.js'
import type { Metrics } from '../telemetry/contract.js'
import type { Stores } from './contract.js'
import { openMemoryStores } from './memory/as-stores.js'

/** Which stores, as the configuration says. */
export interface StoreSettings {
  /** undefined: the memory store. */
  readonly redis: RedisSettings | undefined
  /** How long a decision waits for the shared store. */
  readonly deadlineMs: number
}

export interface OpenStoresOptions {
  readonly settings: StoreSettings
  /** Opened, and so locked, by `openDataDir`; undefined: this process keeps no files (a worker). */
  readonly dataDir: string | undefined
  readonly clock: Clock
  readonly log: Log
  /** Score records untouched for so long are dropped. */
  readonly retentionMs: number
  readonly metrics: Pick<Metrics, 'storeDegraded' | 'storeDeadline'>
  /** Whose clock a shared store goes by: the server's own, so that instances agree, or, in tests, ours. */
  readonly time: 'caller' | 'server'
}

export interface RedisStoresOptions extends OpenStoresOptions {
  readonly settings: StoreSettings & { readonly redis: RedisSettings }
}

/**
 * Opens the stores that are configured. Rejects when a file of the data directory cannot be read; a Redis that is away
 * is no reason.
 */
export async function openStores (options: OpenStoresOptions): Promise<Stores> {
  const { settings, dataDir, clock, log, retentionMs } = options
  const { redis } = settings
  if (redis !== undefined) {
    // Who runs alone does not wait for the client of Redis to be loaded.
    const { createRedisStores } = await import('./redis/redis-stores.js')
    return await createRedisStores({ ...options, settings: { ...settings, redis } })
  }
  if (dataDir === undefined) throw new Error('the memory store needs a data directory')
  return await openMemoryStores({ dataDir, clock, log, retentionMs })
}
