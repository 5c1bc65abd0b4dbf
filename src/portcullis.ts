/**
 * The assembly: the only place that names concrete stores and joins the rooms. No process and no environment here,
 * so that tests run the whole product on their own clock.
 */
import type { FastifyInstance } from 'fastify'
import { createLearntAccounts } from './accounts/accounts.js'
import { createAdminListener, loadAdminTokens } from './admin/admin.js'
import { createAddressUsers, createBanBook, createBanPlacer, covers } from './bans/bans.js'
import type { BanBook } from './bans/contract.js'
import type { Clock } from './clock.js'
import type { Settings } from './config/config.js'
import { createGateway, type Gateway } from './gateway/gateway.js'
import { createOpenExchanges } from './gateway/open-exchanges.js'
import { createRefusalLog } from './gateway/refusal-log.js'
import type { Rooms } from './gateway/rooms.js'
import { createKnownKeys } from './identity/identity.js'
import type { Log } from './log.js'
import type { Policy } from './policy/contract.js'
import { openDataDir } from './stores/data-dir.js'
import { createMemoryStores, type MemoryStores } from './stores/memory/memory-stores.js'
import type { Health, Metrics } from './telemetry/contract.js'
import { createHealth } from './telemetry/health.js'
import { createMetrics } from './telemetry/metrics.js'
import { createJournal, type FileJournal } from './violations/journal.js'
import { createViolations } from './violations/violations.js'

/** How often connections that have fallen idle are closed while the gateway drains. */
const HANG_UP_MS = 50

export interface PortcullisOptions {
  readonly settings: Settings
  readonly policy: Policy
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

export interface Portcullis {
  readonly gateway: Gateway
  readonly bans: BanBook
  /** Listens on both ports; answers their addresses as URLs. */
  listen (): Promise<Listening>
  reload (policy: Policy): void
  /** Lets answers in flight end, cuts them after `graceMs`, writes what must survive, frees the data directory. */
  close (graceMs: number): Promise<void>
}

export interface Listening {
  readonly gateway: string
  readonly admin: string
  /** File of the admin token that we made; undefined: one was given. */
  readonly tokenFile: string | undefined
}

/** Opens the data directory and builds everything; nothing listens yet. Rejects when the state cannot be read. */
export async function createPortcullis (options: PortcullisOptions): Promise<Portcullis> {
  const { settings, policy, clock, log } = options
  const dataDir = await openDataDir(settings.dataDir)
  try {
    const stores = await createMemoryStores({ dataDir: dataDir.path, clock, log, retentionMs: policy.retentionMs })
    const metrics = createMetrics()
    const health = createHealth()
    const journal = await createJournal({
      dataDir: dataDir.path, clock, log, retentionMs: policy.retentionMs, onDropped: metrics.journalDropped,
    })
    const { rooms, bans } = createRooms({ stores, journal, metrics, clock, log })
    await bans.start()
    const gateway = await createGateway(policy, rooms)
    registerGauges(metrics, { bans, stores, rooms })
    health.register('bans', () => bans.backlog === 0
      ? { status: 'ok' }
      : { status: 'degraded', reason: `${bans.backlog} changes of bans are not on disk yet` })
    const admin = await createAdmin(options, { dataDir: dataDir.path, bans, stores, gateway, metrics, health })
    return {
      gateway,
      bans,
      listen: () => listen(settings, { gateway: gateway.app, admin }),
      reload: (next) => gateway.reload(next),
      close: async (graceMs) => {
        await drain(gateway, rooms, graceMs)
        await admin.app.close()
        await bans.close()
        await journal.close()
        await stores.close()
        dataDir.close()
      },
    }
  } catch (error) {
    dataDir.close()
    throw error
  }
}

interface Parts {
  readonly stores: MemoryStores
  readonly journal: FileJournal
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Log
}

function createRooms ({ stores, journal, metrics, clock, log }: Parts): { rooms: Rooms, bans: BanBook } {
  const bans = createBanBook({ store: stores.bans, clock, log })
  const addressUsers = createAddressUsers()
  const violations = createViolations({
    scores: stores.scores,
    journal: { append: (record) => { metrics.violation(record.type); journal.append(record) } },
    bans: createBanPlacer({ book: bans, users: addressUsers, scores: stores.scores, log }),
    clock,
    log,
  })
  const open = createOpenExchanges()
  bans.on((event) => {
    if (event.kind !== 'placed') return
    metrics.banPlaced(event.ban.source)
    open.closeFor(event.ban, covers)
  })
  const refusals = createRefusalLog(log, clock)
  const { counters, leases } = stores
  const knownKeys = createKnownKeys(clock)
  const common = { clock, log, metrics, open, refusals, accounts: createLearntAccounts() }
  return { bans, rooms: { ...common, bans, addressUsers, knownKeys, counters, leases, violations } }
}

interface Counted { readonly bans: BanBook, readonly stores: MemoryStores, readonly rooms: Rooms }

function registerGauges (metrics: Metrics, { bans, stores, rooms }: Counted): void {
  metrics.gauge('portcullis_bans_active', 'Bans in force', () => bans.size)
  metrics.gauge('portcullis_open_exchanges', 'Requests and WebSockets under way', () => rooms.open.size)
  metrics.gauge('portcullis_buckets', 'Limiter buckets in memory', () => stores.stats().buckets)
  metrics.gauge('portcullis_scores', 'Score records in memory', () => stores.stats().scores)
}

interface AdminParts {
  readonly dataDir: string
  readonly bans: BanBook
  readonly stores: MemoryStores
  readonly gateway: Gateway
  readonly metrics: Metrics
  readonly health: Health
}

interface Admin { readonly app: FastifyInstance, readonly tokenFile: string | undefined }

async function createAdmin ({ settings, clock, log, version }: PortcullisOptions, parts: AdminParts): Promise<Admin> {
  const { dataDir, bans, stores, gateway, metrics, health } = parts
  const { token, tokenListFile, allowedHosts, host } = settings.admin
  const { tokens, madeIn } = await loadAdminTokens({ token, listFile: tokenListFile, dataDir })
  const app = await createAdminListener({
    tokens,
    allowedHosts,
    host,
    log,
    clock,
    version,
    metrics,
    health,
    bans,
    scores: stores.scores,
    access: () => gateway.access,
    ipv6Prefix: () => gateway.policy.client.ipv6Prefix,
  })
  return { app, tokenFile: madeIn }
}

interface Listeners { readonly gateway: FastifyInstance, readonly admin: Admin }

async function listen ({ gateway, admin }: Settings, apps: Listeners): Promise<Listening> {
  // The admin listener first: whoever waits for the public port finds the probes ready.
  const adminUrl = await apps.admin.app.listen({ host: admin.host, port: admin.port })
  return { gateway: await apps.gateway.listen({ ...gateway }), admin: adminUrl, tokenFile: apps.admin.tokenFile }
}

/** Stops accepting, waits for what is under way, and cuts what outlives the grace. */
async function drain ({ app, sockets }: Gateway, rooms: Rooms, graceMs: number): Promise<void> {
  const cut = setTimeout(() => {
    rooms.open.closeAll()
    // Also those that never sent a whole request: they are in nobody's list.
    app.server.closeAllConnections()
    for (const socket of sockets) socket.destroy()
  }, graceMs)
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  // A connection whose answer ended during the drain stays open for the next request, which must not come.
  const hangUp = setInterval(() => { app.server.closeIdleConnections() }, HANG_UP_MS)
  await app.close()
  clearInterval(hangUp)
  clearTimeout(cut)
}
