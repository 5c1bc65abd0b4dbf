/**
 * The assembly of a gateway in one process. Only the assembly names concrete stores and joins the rooms. No process
 * and no environment here, so that tests run the whole product on their own clock.
 */
import { openAppDatabase, type AppDatabase } from './assembly/app-database.js'
import { openFoundation, type Foundation, type FoundationOptions } from './assembly/foundation.js'
import { createOperatorSide } from './assembly/operator-side.js'
import { createPublicSide } from './assembly/public-side.js'
import type { BanBook } from './bans/contract.js'
import type { Clock } from './clock.js'
import type { PolicyDocument, Settings } from './config/config.js'
import type { Gateway } from './gateway/gateway.js'
import type { Log } from './log.js'
import type { Policy } from './policy/contract.js'
import { openDataDir } from './stores/data-dir.js'
import { createJournal, type FileJournal } from './violations/journal.js'

export interface PortcullisOptions {
  readonly settings: Settings
  readonly policy: Policy
  readonly clock: Clock
  readonly log: Log
  readonly version: string
  /** Whose clock a shared store goes by: its own (the default), so that instances agree, or `clock`, for tests. */
  readonly time?: 'caller' | 'server' | undefined
}

/** What runs, in one process or in several. */
export interface Running {
  /** Listens on both ports; answers their addresses as URLs. */
  listen (): Promise<Listening>
  /** Puts a policy in force, which was made of this document. */
  reload (policy: Policy, document: PolicyDocument): void
  /** Lets answers in flight end, cuts them after `graceMs`, writes what must survive, frees the data directory. */
  close (graceMs: number): Promise<void>
}

export interface Portcullis extends Running {
  readonly gateway: Gateway
  readonly bans: BanBook
  reload (policy: Policy): void
}

export interface Listening {
  readonly gateway: string
  readonly admin: string
  /** File of the admin token that we made; undefined: one was given. */
  readonly tokenFile: string | undefined
}

/** Opens the data directory and builds everything; nothing listens yet. Rejects when the state cannot be read. */
export async function createPortcullis (options: PortcullisOptions): Promise<Portcullis> {
  const ground = await openGround(options)
  try {
    return await build(options, ground)
  } catch (error) {
    await ground.close()
    throw error
  }
}

async function build (options: PortcullisOptions, ground: Ground): Promise<Portcullis> {
  const { settings, policy, clock, log, version } = options
  const { foundation, journal, dataDir, database: { accounts } } = ground
  const { gateway, drain } = await createPublicSide({ policy, foundation, journal, accounts, clock, log })
  const admin = await createOperatorSide({
    settings,
    dataDir,
    foundation,
    metrics: foundation.metrics,
    policy: () => gateway.policy,
    access: () => gateway.access,
    clock,
    log,
    version,
  })
  return {
    gateway,
    bans: foundation.bans,
    listen: async () => {
      // The admin listener first: whoever waits for the public port finds the probes ready.
      const adminUrl = await admin.listen()
      return { gateway: await gateway.app.listen({ ...settings.gateway }), admin: adminUrl, tokenFile: admin.tokenFile }
    },
    reload: (next) => {
      gateway.reload(next)
      ground.database.importBans(next.bans.importFromBackend)
    },
    close: async (graceMs) => {
      await drain(graceMs)
      await admin.app.close()
      await ground.close()
    },
  }
}

/** What the one process has that owns the data directory. */
export interface Ground {
  readonly foundation: Foundation
  readonly journal: FileJournal
  readonly database: AppDatabase
  /** Path of the data directory. */
  readonly dataDir: string
  /** Writes what must survive and lets the next process in. */
  close (): Promise<void>
}

/** Rejects when the data directory is not to be had, or its state cannot be read. */
export async function openGround (
  { settings, policy, clock, log, time }: PortcullisOptions, overhear?: FoundationOptions['overhear']
): Promise<Ground> {
  const { retentionMs } = policy
  const dataDir = await openDataDir(settings.dataDir)
  const files = { dataDir: dataDir.path, clock, log, retentionMs }
  const opened: (() => Promise<void>)[] = [async () => dataDir.close()]
  const close = async () => { for (const end of opened.splice(0).reverse()) await end() }
  try {
    const foundation = await openFoundation({ settings, ...files, time, overhear })
    const journal = await createJournal({ ...files, onDropped: foundation.metrics.journalDropped })
    opened.push(journal.close, foundation.close)
    const { mongoUri, redis } = settings.store
    const database = await openAppDatabase({ uri: mongoUri, isAlone: redis === undefined, clock, log })
    opened.push(database.close)
    await database.recordBans(foundation)
    database.importBans(policy.bans.importFromBackend)
    return { foundation, journal, database, dataDir: dataDir.path, close }
  } catch (error) {
    await close()
    throw error
  }
}
