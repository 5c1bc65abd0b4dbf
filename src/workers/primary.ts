/**
 * The assembly of a gateway in several processes, as the first of them sees it. The primary owns what there may be only
 * one of: data directory, admin listener, ban documents, the watch on the configuration. It answers no client.
 */
import type { Worker } from 'node:cluster'
import { createOperatorSide, type OperatorSide } from '../assembly/operator-side.js'
import { createAccess, type Access } from '../bans/bans.js'
import type { PolicyDocument } from '../config/config.js'
import type { Policy } from '../policy/contract.js'
import { openGround, type Ground, type Listening, type PortcullisOptions, type Running } from '../portcullis.js'
import type { Stores } from '../stores/contract.js'
import { createBanRelay, type BanRelay } from './ban-relay.js'
import type { Member } from './member.js'
import type { FromWorker } from './messages.js'
import { createPublicListener, type PublicListener } from './public-listener.js'
import { WorkerPool } from './worker-pool.js'
import { createWorkerStates } from './worker-states.js'

export interface PrimaryOptions extends PortcullisOptions {
  /** What the policy was made of: the workers make theirs of the same. */
  readonly document: PolicyDocument
  readonly count: number
  /** Starts the process of one worker. */
  fork (number: number): Worker
  /** A worker has a line for the log, which others may have too. */
  onWarning (line: string, worker: number): void
}

export interface Primary extends Running {
  /** Resolves when the workers cannot be kept alive. */
  readonly failed: Promise<Error>
}

/** Opens the data directory and the stores; no worker runs yet. Rejects when the state cannot be read. */
export async function createPrimary (options: PrimaryOptions): Promise<Primary> {
  const inForce = createInForce(options)
  const listener = createPublicListener({ ready: () => pool.ready })
  const { settings, count, log, fork, onWarning } = options
  const pool: WorkerPool = new WorkerPool({
    count,
    log,
    fork,
    begin: () => ({ kind: 'begin', settings, document: inForce.document, bans: [...ground.foundation.bans.all] }),
    onMessage: (member, message) => { receive(member, message, { ground, relay, pool, onWarning }) },
    onReturned: listener.handOver,
    onReady: listener.resume,
    onEnd: (member) => { states.ended(member.metrics) },
  })
  const relay = createBanRelay({ share: async (changes) => { pool.tellAll({ kind: 'bans', changes }) } })
  const ground: Ground = await openGround(options, (stores) => overhear(stores, { relay, pool }))
  const { metrics, health } = ground.foundation
  const states = createWorkerStates({
    count, ready: () => pool.ready, hasStarted: () => pool.hasStarted, own: metrics.snapshot,
  })
  metrics.add({
    kind: 'gauge',
    name: 'portcullis_workers',
    help: 'Worker processes that take connections',
    read: () => pool.ready.length,
  })
  health.register('workers', states.health)
  try {
    const { dataDir, foundation } = ground
    const shown = { render: states.render, contentType: metrics.contentType }
    const admin = await createOperatorSide({ ...options, ...inForce.asked, dataDir, foundation, metrics: shown })
    return assemble(options, { admin, listener, pool, inForce, ground })
  } catch (error) {
    await ground.close()
    throw error
  }
}

interface Parts {
  readonly admin: OperatorSide
  readonly listener: PublicListener
  readonly pool: WorkerPool
  readonly inForce: InForce
  readonly ground: Ground
}

function assemble ({ settings }: PrimaryOptions, { admin, listener, pool, inForce, ground }: Parts): Primary {
  return {
    failed: pool.failed,
    listen: async (): Promise<Listening> => {
      const adminUrl = await admin.listen()
      // Before the workers: an address that is taken is told at once.
      const gateway = await listener.listen(settings.gateway)
      await pool.start()
      return { gateway, admin: adminUrl, tokenFile: admin.tokenFile }
    },
    reload: (policy, document) => {
      inForce.put(policy, document)
      ground.database.importBans(policy.bans.importFromBackend)
      pool.tellAll({ kind: 'policy', document })
    },
    close: async (graceMs) => {
      await listener.close()
      await pool.stop(graceMs)
      await admin.app.close()
      await ground.close()
    },
  }
}

interface Common extends Pick<PrimaryOptions, 'onWarning'> {
  readonly ground: Ground
  readonly relay: BanRelay
  readonly pool: WorkerPool
}

function receive (member: Member, message: FromWorker, { ground, relay, pool, onWarning }: Common): void {
  if (message.kind === 'journal') {
    for (const record of message.records) ground.journal.append(record)
    member.tell({ kind: 'journalKept', count: message.records.length })
  } else if (message.kind === 'bans') {
    const { id, changes } = message
    const answer = (reason?: string) => member.tell({ kind: 'bansKept', id, reason })
    relay.receive(changes).then(() => answer(), (error: Error) => answer(error.message))
    pool.tellAll({ kind: 'bans', changes }, member)
  } else if (message.kind === 'warning') onWarning(message.line, member.number)
}

/** What the operator does here is done in all workers, also while Redis cannot tell them. */
function overhear (stores: Stores, { relay, pool }: Pick<Common, 'relay' | 'pool'>): Stores {
  const { scores } = stores
  const reset = (subject: string, type?: string) => {
    pool.tellAll({ kind: 'reset', subject, type })
    return scores.reset(subject, type)
  }
  return { ...stores, bans: relay.wrap(stores.bans), scores: { ...scores, reset } }
}

interface InForce {
  readonly document: PolicyDocument
  /** As the admin listener asks for it. */
  readonly asked: { readonly policy: () => Policy, readonly access: () => Access }
  put (policy: Policy, document: PolicyDocument): void
}

function createInForce ({ policy, document }: PrimaryOptions): InForce {
  let now = { policy, document, access: createAccess(policy.access) }
  return {
    get document () { return now.document },
    asked: { policy: () => now.policy, access: () => now.access },
    put: (policy, document) => { now = { policy, document, access: createAccess(policy.access) } },
  }
}
