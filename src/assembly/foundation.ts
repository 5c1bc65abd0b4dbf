/** What stands under the gateway and under the admin listener, whichever of them a process has. */
import { createBanBook } from '../bans/bans.js'
import type { BanBook } from '../bans/contract.js'
import type { Clock } from '../clock.js'
import type { Settings } from '../config/config.js'
import type { Log } from '../log.js'
import type { Stores } from '../stores/contract.js'
import { openStores } from '../stores/open-stores.js'
import type { Health, Metrics } from '../telemetry/contract.js'
import { createHealth } from '../telemetry/health.js'
import { createMetrics } from '../telemetry/metrics.js'

export interface FoundationOptions {
  readonly settings: Settings
  /** Opened by `openDataDir`; undefined: this process keeps no files. */
  readonly dataDir: string | undefined
  readonly retentionMs: number
  readonly clock: Clock
  readonly log: Log
  /** Whose clock a shared store goes by; its own, where nothing is said. */
  readonly time?: 'caller' | 'server' | undefined
  /** For a process that is one of several: puts an ear between its stores and those who use them. */
  readonly overhear?: ((stores: Stores) => Stores) | undefined
}

export interface Foundation {
  readonly stores: Stores
  readonly bans: BanBook
  readonly metrics: Metrics
  readonly health: Health
  /** Writes what must survive. Never rejects. */
  close (): Promise<void>
}

/** Opens the stores and reads the bans. Rejects when what the process needs to protect the backend cannot be read. */
export async function openFoundation (options: FoundationOptions): Promise<Foundation> {
  const { settings, clock, log, time = 'server', overhear = (stores) => stores } = options
  const metrics = createMetrics()
  const stores = overhear(await openStores({ ...options, settings: settings.store, time, metrics }))
  const bans = createBanBook({ store: stores.bans, clock, log })
  try {
    await bans.start()
  } catch (error) {
    await stores.close()
    throw error
  }
  const health = createHealth()
  tellOf({ stores, bans, metrics, health })
  return {
    stores,
    bans,
    metrics,
    health,
    close: async () => {
      await bans.close()
      await stores.close()
    },
  }
}

function tellOf ({ stores, bans, metrics, health }: Omit<Foundation, 'close'>): void {
  // Every process holds the same bans.
  metrics.add({ kind: 'gauge', name: 'portcullis_bans_active', help: 'Bans in force', read: () => bans.size, across: 'max' })
  stores.meters.forEach(metrics.add)
  health.register('store', () => stores.health())
  health.register('bans', () => bans.backlog === 0
    ? { status: 'ok' }
    : { status: 'degraded', reason: `${bans.backlog} changes of bans are not kept safe yet` })
  bans.on((event) => {
    // What another instance did is told by that one.
    if (event.kind === 'placed' && !event.remote) metrics.banPlaced(event.ban.source)
  })
}
