/**
 * One worker: a gateway of its own on the shared store, with its own replica of the bans. It keeps no files, has no
 * admin listener and reads no configuration; policy and connections come from the primary.
 */
import type { Socket } from 'node:net'
import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'
import { openAppDatabase, type AppDatabase } from '../assembly/app-database.js'
import { openFoundation, type Foundation } from '../assembly/foundation.js'
import { createPublicSide, type PublicSide } from '../assembly/public-side.js'
import { systemClock } from '../clock.js'
import type { PolicyDocument } from '../config/config.js'
import { compilePolicy } from '../policy/compile.js'
import type { Policy } from '../policy/contract.js'
import { createLogger } from '../telemetry/logger.js'
import { createBanRelay, type BanRelay } from './ban-relay.js'
import { createBanSender, type BanSender } from './ban-sender.js'
import { openChannel, type Channel } from './channel.js'
import { createJournalSender, type JournalSender } from './journal-sender.js'
import type { Begin, ToWorker } from './messages.js'
import { isWarning } from './shared-warnings.js'

/** What the primary may take to receive the last records of the journal. */
const LAST_RECORDS_MS = 2000

export interface WorkerOptions {
  readonly number: number
  /** Log lines for people. */
  readonly pretty: boolean
}

/** Serves until the primary says stop, or a signal comes. Rejects when it cannot begin. */
export async function runWorker ({ number, pretty }: WorkerOptions): Promise<void> {
  const channel = openChannel()
  try {
    const { begin, early } = await hello(channel)
    const divert = (line: string) => {
      if (isWarning(line)) channel.send({ kind: 'warning', line })
      return isWarning(line)
    }
    const log = createLogger({ pretty, level: begin.settings.logLevel, worker: number, divert })
    const parts = await build(begin, { channel, log })
    await serve(parts, early)
  } finally {
    channel.release()
  }
}

interface Parts {
  readonly channel: Channel
  readonly log: Logger
  readonly journal: JournalSender
  readonly bans: BanSender
  readonly relay: BanRelay
  readonly foundation: Foundation
  readonly database: AppDatabase
  readonly side: PublicSide
}

/** `early`: what came while the worker was not yet able to do it. */
async function hello (channel: Channel): Promise<{ readonly begin: Begin, readonly early: readonly ToWorker[] }> {
  const early: ToWorker[] = []
  const begin = await new Promise<Begin>((resolve) => {
    channel.listen((message) => {
      if (message.kind === 'begin') resolve(message)
      else early.push(message)
    })
    channel.send({ kind: 'hello' })
  })
  return { begin, early }
}

async function build (begin: Begin, { channel, log }: Pick<Parts, 'channel' | 'log'>): Promise<Parts> {
  const { settings, document, bans: known } = begin
  const policy = policyOf(document)
  const bans = createBanSender((id, changes) => channel.send({ kind: 'bans', id, changes }))
  const relay = createBanRelay({ share: bans.share, known })
  const clock = systemClock
  const foundation = await openFoundation({
    settings,
    dataDir: undefined,
    retentionMs: policy.retentionMs,
    clock,
    log,
    overhear: (stores) => ({ ...stores, bans: relay.wrap(stores.bans) }),
  })
  const journal = createJournalSender({
    send: (records) => channel.send({ kind: 'journal', records }), onDropped: foundation.metrics.journalDropped,
  })
  const { mongoUri, redis } = settings.store
  const database = await openAppDatabase({ uri: mongoUri, isAlone: redis === undefined, clock, log })
  const { accounts } = database
  const side = await createPublicSide({ policy, foundation, journal, accounts, clock, log })
  const { app } = side.gateway
  await app.ready()
  // The server never listens itself; by this event it begins to mind slow and idle connections.
  app.server.emit('listening')
  return { channel, log, journal, bans, relay, foundation, database, side }
}

async function serve (parts: Parts, early: readonly ToWorker[]): Promise<void> {
  const { channel, log, side } = parts
  const ending = { isOver: false, graceMs: side.gateway.policy.shutdownGraceMs }
  const stopped = Promise.withResolvers<void>()
  // The primary kills who takes too long.
  const grace = closeWithGrace({ delay: false }, async ({ err, signal }) => {
    ending.isOver = true
    if (err !== undefined) log.error({ err }, 'an error that nobody caught: this worker is ending')
    if (err !== undefined || signal !== undefined) channel.send({ kind: 'leaving', graceMs: ending.graceMs })
    await end(parts, ending.graceMs)
    stopped.resolve()
  })
  const receive = (message: ToWorker, socket?: Socket) => {
    if (message.kind === 'stop') {
      ending.graceMs = message.graceMs
      if (!ending.isOver) grace.close()
    } else if (message.kind === 'connection') take(message.id, socket, { ...parts, isOver: ending.isOver })
    else obey(parts, message)
  }
  channel.listen(receive)
  for (const message of early) receive(message)
  channel.send({ kind: 'ready' })
  await stopped.promise
}

function take (id: number, socket: Socket | undefined, { channel, side, isOver }: Parts & { isOver: boolean }): void {
  if (isOver) {
    socket?.destroy()
    channel.send({ kind: 'returned', id })
    return
  }
  channel.send({ kind: 'taken', id })
  // A client that is gone already sends no socket.
  if (socket === undefined) return
  // As the server's own connections are: it decides itself what becomes of a client that has said all.
  socket.allowHalfOpen = true
  side.gateway.app.server.emit('connection', socket)
}

function obey (parts: Parts, message: ToWorker): void {
  const { journal, bans, side, log } = parts
  if (message.kind === 'policy') side.gateway.reload(policyOf(message.document))
  else if (message.kind === 'journalKept') journal.kept(message.count)
  else if (message.kind === 'bansKept') bans.answered(message.id, message.reason)
  else {
    follow(parts, message).catch((err: unknown) => {
      log.error({ err, kind: message.kind }, 'this worker could not do what the primary said')
    })
  }
}

async function follow ({ channel, relay, foundation }: Parts, message: ToWorker): Promise<void> {
  const { metrics, health, stores: { scores } } = foundation
  if (message.kind === 'bans') await relay.receive(message.changes)
  else if (message.kind === 'reset') await scores.reset(message.subject, message.type)
  else if (message.kind === 'ask') {
    const [numbers, report] = await Promise.all([metrics.snapshot(), health.report()])
    channel.send({ kind: 'answer', id: message.id, state: { metrics: numbers, health: report } })
  }
}

async function end ({ side, journal, database, foundation, channel }: Parts, graceMs: number): Promise<void> {
  await side.drain(graceMs)
  await journal.flush(LAST_RECORDS_MS)
  await database.close()
  await foundation.close()
  channel.send({ kind: 'farewell', metrics: await foundation.metrics.snapshot() })
  await channel.flush()
}

/** The primary has found it to be without a mistake, and has told what it warns of. */
function policyOf (document: PolicyDocument): Policy {
  return compilePolicy(document, () => {}).policy
}
