import type { Log } from '../../log.js'
import { TOO_LATE, within } from '../guarded/deadline.js'
import type { MemoryBans } from '../memory/bans.js'
import type { BanOutbox } from './bans-outbox.js'
import { isOnTrack, type Position } from './bans-position.js'
import type { Change, RemoteBans } from './bans-remote.js'
import { syncBans, type BanSyncOptions } from './bans-sync.js'
import { createBreath } from './breath.js'
import { createPause } from './pause.js'

/** How long a read waits for news; a flush, which no read notices, is noticed after this time. */
const BLOCK_MS = 1000
/** Later than this counts as no answer. */
const SILENCE_MS = 2000
const PULSE_EVERY_MS = 1000
const SNAPSHOT_MS = 30_000
const RETRY_FIRST_MS = 50
/** A connection that breaks is known to be lost by the next attempt; failures beside a good one are news. */
const TOLD_AFTER = 2
const RETRY_MOST_MS = 1000
/** Nothing should be able to differ after so long; if it does all the same, it ends. Renews the keys' expiry too. */
const RESYNC_EVERY_MS = 6 * 3_600_000
/** How old the instant of the last contact may be on disk. */
const NOTE_CONTACT_EVERY_MS = 10 * 60_000

export interface BanFeedOptions extends BanSyncOptions {
  readonly disk: MemoryBans
  readonly log: Log
  /** False while the connection is known to be lost, which others tell of. */
  isConnected (): boolean
  /** Breaks the connection that reads, so that an answer which does not come is not waited for; for good, or for now. */
  hangUp (isForGood: boolean): void
}

export interface BanFeedStats {
  /** The replica is complete and hears of changes. */
  readonly isInStep: boolean
  /** How long the last change took from its author to here, by both their clocks. */
  readonly lagMs: number
  /** Snapshots that were compared since the start. */
  readonly resyncs: number
}

export interface BanFeed {
  /** Resolves after the first attempt to get in step, whether it worked or not. Never rejects. */
  start (): Promise<void>
  stats (): BanFeedStats
  /** Tries at once what would be tried in a moment. */
  wake (): void
  close (): Promise<void>
}

/** Keeps the replica in step: a snapshot, then every change; after anything that may have been missed, a snapshot again. */
export function createBanFeed (options: BanFeedOptions): BanFeed {
  return new Feed(options)
}

class Feed implements BanFeed {
  readonly #options: BanFeedOptions
  readonly #remote: RemoteBans
  readonly #outbox: BanOutbox
  readonly #firstTry = Promise.withResolvers<void>()
  #running: Promise<void> = Promise.resolve()
  readonly #pause = createPause()
  #isClosed = false
  #isInStep = false
  #hasTold = false
  /** In a row. */
  #failures = 0
  #lagMs = 0
  #resyncs = 0
  /** In the data that we are, or were last, in step with. */
  #position: Position | undefined
  #notedAt = -Infinity

  constructor (options: BanFeedOptions) {
    this.#options = options
    this.#remote = options.remote
    this.#outbox = options.outbox
  }

  async start (): Promise<void> {
    this.#running = this.#run()
    await this.#firstTry.promise
  }

  stats (): BanFeedStats {
    return { isInStep: this.#isInStep, lagMs: this.#lagMs, resyncs: this.#resyncs }
  }

  wake (): void {
    this.#pause.end()
  }

  async close (): Promise<void> {
    if (this.#isInStep) this.#noteContact()
    if (this.#isInStep) this.#options.disk.file.touch()
    this.#isClosed = true
    this.#pause.end()
    this.#options.hangUp(true)
    await this.#running
    this.#isInStep = false
  }

  async #run (): Promise<void> {
    let retryMs = RETRY_FIRST_MS
    while (!this.#isClosed) {
      try {
        const position = await this.#sync()
        await this.#follow(position)
        retryMs = RETRY_FIRST_MS
        // Whatever makes a snapshot worthless at once must not keep Redis busy.
        if (performance.now() - position.syncedAt < PULSE_EVERY_MS) await this.#pause.take(RETRY_FIRST_MS)
      } catch (error) {
        this.#lose(error)
        this.#firstTry.resolve()
        if (!this.#isClosed) await this.#pause.take(retryMs)
        retryMs = Math.min(retryMs * 2, RETRY_MOST_MS)
      }
    }
  }

  async #sync (): Promise<Position> {
    const { disk, log } = this.#options
    await within(SILENCE_MS, this.#remote.knock)
    const { generation, seq, lastId } = await within(SNAPSHOT_MS, () => syncBans(this.#options, disk.contact))
    this.#resyncs++
    this.#isInStep = true
    this.#position = { generation, seq, id: lastId, syncedAt: performance.now(), stuckAt: undefined }
    this.#firstTry.resolve()
    if (this.#hasTold) log.info({ bans: disk.bans.size, toSend: this.#outbox.size }, 'bans are in step with Redis again')
    this.#hasTold = false
    this.#failures = 0
    return this.#position
  }

  /** Returns when something may have been missed; rejects when Redis is away. */
  async #follow (position: Position): Promise<void> {
    let pulseAt = 0
    while (!this.#isClosed && performance.now() - position.syncedAt < RESYNC_EVERY_MS) {
      if (performance.now() - pulseAt >= PULSE_EVERY_MS) {
        pulseAt = performance.now()
        if (!isOnTrack(position, await within(SILENCE_MS, this.#remote.pulse))) return
        this.#outbox.sendAll()
        this.#noteContact()
      }
      if (!await this.#readNews(position)) return
    }
  }

  async #readNews (position: Position): Promise<boolean> {
    const read = () => this.#remote.read(position.id, BLOCK_MS)
    const breath = createBreath()
    for (const change of await within(BLOCK_MS + SILENCE_MS, read).catch((error) => this.#giveUp(error))) {
      if (breath.isDue) await breath.take()
      if (this.#isClosed) return true
      if (change.n !== position.seq + 1) return false
      this.#takeIn(change, position)
    }
    return true
  }

  #takeIn (change: Change, position: Position): void {
    position.seq = change.n
    position.id = change.id
    this.#outbox.receive(change)
    this.#lagMs = Math.max(0, this.#options.clock() - change.at)
  }

  #noteContact (): void {
    const { disk, clock } = this.#options
    // What waits was placed or lifted after the last contact: only so it is known that Redis never had it.
    if (this.#position === undefined || this.#outbox.size > 0) return
    const { generation, seq } = this.#position
    const isNew = disk.contact?.generation !== generation
    disk.contact = { generation, seq, inStepAt: clock() }
    if (!isNew && performance.now() - this.#notedAt < NOTE_CONTACT_EVERY_MS) return
    this.#notedAt = performance.now()
    disk.file.touch()
  }

  #giveUp (error: unknown): never {
    if (error === TOO_LATE) this.#options.hangUp(false)
    throw error
  }

  #lose (error: unknown): void {
    const { log, isConnected } = this.#options
    this.#isInStep = false
    this.#failures++
    if (this.#hasTold || this.#isClosed || this.#failures < TOLD_AFTER || !isConnected()) return
    this.#hasTold = true
    const { message } = error as Error
    log.warn({ reason: message }, 'bans are not in step with Redis: those known here hold, changes elsewhere are not heard of')
  }
}
