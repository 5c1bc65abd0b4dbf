import type { FastifyInstance } from 'fastify'
import { createAdminListener, loadAdminTokens } from '../admin/admin.js'
import type { Access } from '../bans/bans.js'
import type { Clock } from '../clock.js'
import type { Settings } from '../config/config.js'
import type { Log } from '../log.js'
import type { Policy } from '../policy/contract.js'
import type { Metrics } from '../telemetry/contract.js'
import type { Foundation } from './foundation.js'

export interface OperatorSideOptions {
  readonly settings: Settings
  readonly dataDir: string
  readonly foundation: Foundation
  /** The numbers to show; of this process, or of all that stand behind it. */
  readonly metrics: Pick<Metrics, 'render' | 'contentType'>
  /** What is in force, asked anew for each request. */
  readonly policy: () => Policy
  readonly access: () => Access
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

export interface OperatorSide {
  readonly app: FastifyInstance
  /** File of the admin token that we made; undefined: one was given. */
  readonly tokenFile: string | undefined
  /** Answers the address as a URL. */
  listen (): Promise<string>
}

/** The admin listener with what it works on. Rejects when the tokens cannot be read. */
export async function createOperatorSide (options: OperatorSideOptions): Promise<OperatorSide> {
  const { settings: { admin }, dataDir, foundation, metrics, policy, access, clock, log, version } = options
  const { tokens, madeIn } = await loadAdminTokens({ token: admin.token, listFile: admin.tokenListFile, dataDir })
  const { bans, stores: { scores, suspensions, leases, addressUsers }, health } = foundation
  const app = await createAdminListener({
    tokens,
    allowedHosts: admin.allowedHosts,
    host: admin.host,
    log,
    clock,
    version,
    metrics,
    health,
    bans,
    scores,
    suspensions,
    leases,
    addressUsers,
    leaseRules: () => policy().concurrency.keys(),
    access,
    ipv6Prefix: () => policy().client.ipv6Prefix,
  })
  return { app, tokenFile: madeIn, listen: () => app.listen({ host: admin.host, port: admin.port }) }
}
