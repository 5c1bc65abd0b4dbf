import { setTimeout as pause } from 'node:timers/promises'
import { importedIdOf } from '../../bans/bans.js'
import type { Ban, BanBook, BanEvent } from '../../bans/contract.js'
import type { Clock } from '../../clock.js'
import type { Log } from '../../log.js'
import type { HealthState, Meter } from '../../telemetry/contract.js'
import type { ScoreStore } from '../../violations/contract.js'
import { createBackendRows } from './backend-rows.js'
import { createBanCollection } from './ban-collection.js'
import { receiptOf } from './ban-documents.js'
import { createBanImport } from './ban-import.js'
import { createBanQueue, type BanQueue } from './ban-queue.js'
import { createBanSync, type BanSync } from './ban-sync.js'
import { createContact } from './contact.js'
import { createDeletionBell, type Rung } from './deletion-bell.js'
import { ensureExpiry } from './expiry.js'
import { createLifter } from './lifter.js'
import type { Mongo } from './mongo.js'
import { createRecorder } from './recorder.js'
import { createRounds } from './rounds.js'
import { createSchedule } from './schedule.js'

const LOOK_EVERY_MS = 2000
const SWEEP_EVERY_MS = 15_000
const MAX_WAITING = 100_000
const AFTER_BELL_MS = 100
const AFTER_OWN_CHANGE_MS = 20
/** Of another instance, which is about to write the same document, and to say so. */
const AFTER_REMOTE_CHANGE_MS = { least: 500, spread: 500 }
const CLOSE_MS = 2000

export interface BanRecordsDeps {
  readonly mongo: Mongo
  readonly book: BanBook
  readonly scores: Pick<ScoreStore, 'reset'>
  /** Nobody else has the bans of the book. */
  readonly isAlone: boolean
  readonly clock: Clock
  readonly log: Log
  /** From 0 up to 1, so that instances do not all write at once. */
  readonly random?: () => number
  /** A deletion counts within five seconds; 2000 when absent. */
  readonly lookEveryMs?: number
  /** Where the server does not expire documents by itself; 15,000 when absent. */
  readonly sweepEveryMs?: number
  /** Lifts that wait while the server is away; 100,000 when absent. */
  readonly maxWaiting?: number
}

/** The book of bans, kept in MongoDB for the operator to list and to lift by deleting. Nobody waits for it. */
export interface BanRecords {
  /** Does not wait for the server, which may be away. */
  start (): void
  /**
   * Whether the app's own bans are taken over (`bans.importFromBackend`); at first they are neither that nor lifted. Off
   * lifts them where it was on before, or where nobody else can have taken over what is there.
   */
  importBans (isOn: boolean): void
  /** Writes what is waiting if the server is there; takes two seconds at most. Never rejects. */
  close (): Promise<void>
  health (): HealthState
  readonly meters: readonly Meter[]
}

/** Wants a book that has been started: what is not in it yet is not written, and what it forgot is not lifted. */
export function createBanRecords (deps: BanRecordsDeps): BanRecords {
  const { mongo, scores, clock, log, random = Math.random, lookEveryMs = LOOK_EVERY_MS } = deps
  const book = ownBans(deps.book)
  const collection = createBanCollection(mongo.logs)
  const queue = createBanQueue({ clock, maxEntries: deps.maxWaiting ?? MAX_WAITING })
  const recorder = createRecorder({ collection, book, queue, log })
  const lifter = createLifter({ book, scores, log })
  const contact = createContact(log)
  const expiry = { sweepEveryMs: deps.sweepEveryMs ?? SWEEP_EVERY_MS, ensure: () => ensureExpiry(mongo.logs, log) }
  const sync = createBanSync({ collection, book, queue, recorder, lifter, expiry, clock, log })
  const imports = createBanImport({ ...deps, rows: createBackendRows(mongo.logs) })
  const bell = createDeletionBell({ mongo, ring, log })
  const schedule = createSchedule({ sync, imports, bell, contact, lifter, lookEveryMs })
  const rounds = createRounds(async () => {
    const nextMs = await schedule.round()
    return contact.isMade ? Math.min(nextMs, queue.remoteInMs) : nextMs
  })
  /** The same each time, so that the first to come is the first whose time has come. */
  const afterRemoteMs = AFTER_REMOTE_CHANGE_MS.least + AFTER_REMOTE_CHANGE_MS.spread * random()
  const waiting = () => countWaiting(book, queue, sync)
  let unsubscribe = () => {}

  function ring (what: Rung): void {
    if (what === 'ours') schedule.lookNext()
    rounds.wake(what === 'ours' ? AFTER_BELL_MS : Math.max(AFTER_BELL_MS, schedule.importNext()))
  }

  function hear (event: BanEvent): void {
    if (event.kind === 'placed' ? event.ban.source === 'backend' : event.imported === true) return
    const { dropped } = queue
    queue.add(event, afterRemoteMs)
    if (dropped === 0 && queue.dropped > 0) {
      log.warn({}, 'too many lifts wait for MongoDB: documents of the further ones stay until they expire')
    }
    // A server that is away is asked at its own pace.
    if (!contact.isMade) return
    rounds.wake(event.remote ? afterRemoteMs : AFTER_OWN_CHANGE_MS)
  }

  async function end (): Promise<void> {
    await rounds.stop()
    if (contact.isMade) await sync.write().catch(() => {})
    await lifter.settled()
  }

  return {
    start () {
      unsubscribe = deps.book.on(hear)
      rounds.wake(0)
    },
    importBans (isOn) {
      imports.turn(isOn)
      bell.listenToBackend(isOn)
      const inMs = schedule.importNext()
      // A server that is away is asked at its own pace.
      if (isOn && contact.isMade) rounds.wake(inMs)
    },
    async close () {
      unsubscribe()
      await Promise.race([end(), pause(CLOSE_MS, undefined, { ref: false })])
      await bell.close()
      if (queue.lifts > 0) log.warn({ lifts: queue.lifts }, 'documents of lifted bans stay in MongoDB until they expire')
    },
    health: () => contact.health(waiting()),
    meters: metersOf(queue, waiting),
  }
}

/** The bans that documents are kept of: those of the app have theirs already. */
function ownBans (book: BanBook) {
  return {
    all: { * [Symbol.iterator] (): Iterator<Ban> { for (const ban of book.all) if (isOwn(ban)) yield ban } },
    get: (subject: string) => book.get(subject),
    lift: book.lift.bind(book),
    markRecorded: book.markRecorded.bind(book),
  }
}

function isOwn ({ subject }: Ban): boolean {
  return importedIdOf(subject) === undefined
}

/** A look at the whole book: for who asks now and then. */
function countWaiting (book: Pick<BanBook, 'all'>, queue: BanQueue, { incarnation }: BanSync): number {
  let waiting = queue.lifts
  for (const ban of book.all) {
    const { recorded } = ban
    if (recorded === undefined || (incarnation !== undefined && recorded !== receiptOf(ban, incarnation))) waiting++
  }
  return waiting
}

function metersOf (queue: BanQueue, waiting: () => number): readonly Meter[] {
  return [{
    kind: 'gauge',
    name: 'portcullis_ban_documents_waiting',
    help: 'Changes of bans that are not in MongoDB yet',
    read: waiting,
    across: 'max',
  }, {
    kind: 'counter',
    name: 'portcullis_ban_documents_dropped_total',
    help: 'Lifts whose documents stay in MongoDB until they expire, since too many waited',
    read: () => queue.dropped,
  }]
}
