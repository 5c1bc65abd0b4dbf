import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import { createBanFinder } from './ban-finder.js'
import { createBanListeners, type BanListener } from './ban-listeners.js'
import { createBanShelf } from './ban-shelf.js'
import { createBanWriter, type BanWriter } from './ban-writer.js'
import type {
  Ban, BanBook, BanChanges, BanPage, BanQuery, BanReplica, BanStore, LiftOptions,
} from './contract.js'
import { isPardoned, keptSubjectOf } from './imported.js'
import { freedBy, liftOf, planLift } from './lift.js'
import { listBans } from './list.js'
import { isAutomatic, isInForce, mergeBans } from './merge.js'
import { checked, isSameBut, readable } from './records.js'
import { keptSubject } from './subjects.js'

const SWEEP_EVERY_MS = 30_000
/** Each costs some hundred bytes; above it, automatic bans give way, the longest standing first. */
const MAX_BANS = 250_000
const FOR_WANT_OF_ROOM = 'portcullis: too many bans'
const BY_OTHERS = 'another instance'

export interface BanBookDeps {
  readonly store: BanStore
  readonly clock: Clock
  readonly log: Log
  /** Bans kept in memory and store; an operator's never give way to it. */
  readonly maxBans?: number
}

export function createBanBook (deps: BanBookDeps): BanBook {
  return new Book(deps)
}

class Book implements BanBook, BanReplica {
  readonly #deps: BanBookDeps
  readonly #shelf = createBanShelf()
  readonly find = createBanFinder({ shelf: this.#shelf, standing: (ban, now) => this.#standing(ban, now) })
  readonly #writer: BanWriter
  readonly #listeners: ReturnType<typeof createBanListeners>
  #timer: NodeJS.Timeout | undefined

  constructor (deps: BanBookDeps) {
    this.#deps = deps
    this.#listeners = createBanListeners(deps.log)
    this.#writer = createBanWriter({ store: deps.store, log: deps.log })
  }

  async start (): Promise<void> {
    const { store, log } = this.#deps
    const spellings = new Map<string, Ban>()
    for (const record of await store.load()) {
      const ban = readable(record, log)
      if (ban === undefined) continue
      const put = this.#put(ban)
      if (ban.subject !== record.subject) spellings.set(record.subject, put)
    }
    // Kept under a spelling that is not ours, a ban would come back after its lift.
    const misspelt = [...spellings].map(([subject, ban]) => ({ ...liftOf(ban, 'portcullis', this.#deps.clock()), subject }))
    await Promise.all([this.#writer.remove(misspelt), this.#writer.save([...spellings.values()])])
    await store.follow?.(this)
    this.sweep()
    this.#timer = setInterval(() => this.sweep(), SWEEP_EVERY_MS).unref()
    if (this.size > 0) log.info({ bans: this.size }, 'bans loaded')
  }

  place (bans: readonly Ban[]): Promise<void> {
    const placed = bans.map(checked).map((ban) => this.#put(this.#afterLifts(ban)))
    const written = this.#writer.save(placed)
    this.#makeRoom()
    for (const ban of placed) this.#listeners.placed(ban, false)
    return written
  }

  apply ({ placed, lifted }: BanChanges): void {
    for (const record of placed) {
      const told = readable(record, this.#deps.log)
      const ban = told === undefined ? undefined : this.#writer.meet(told)
      if (ban === undefined || !isInForce(ban, this.#deps.clock())) continue
      const before = this.#shelf.get(ban.subject)
      this.#shelf.put(ban)
      if (before !== undefined && !isPardoned(before) && isPardoned(ban)) {
        this.#listeners.lifted({ subject: ban.subject, by: BY_OTHERS, remote: true })
      } else if (before === undefined || !isSameBut('recorded', before, ban)) this.#listeners.placed(ban, true)
    }
    for (const lift of lifted) {
      if (this.#shelf.get(lift.subject) === undefined || !this.#writer.concede(lift)) continue
      this.#shelf.take(lift.subject)
      this.#listeners.lifted({ subject: lift.subject, by: lift.by, remote: true })
    }
    this.#makeRoom()
  }

  durable (ban: Ban): Promise<void> | undefined {
    return this.#writer.pending(keptSubjectOf(ban))
  }

  async lift (subject: string, { linked = true, by }: LiftOptions): Promise<readonly string[]> {
    const plan = planLift(this.#shelf, keptSubject(subject) ?? '', { linked, by, now: this.#deps.clock() })
    const { lifted, pardoned } = plan
    const kept = [...plan.changed, ...pardoned]
    for (const { subject: gone } of lifted) this.#shelf.take(gone)
    for (const ban of kept) this.#shelf.put(ban)
    const written = Promise.all([this.#writer.remove(lifted), this.#writer.save(kept)])
    for (const freed of [...lifted, ...pardoned]) this.#listeners.lifted({ subject: freed.subject, by, remote: false })
    await written
    return freedBy(plan)
  }

  async markRecorded (subject: string, recorded: string): Promise<void> {
    const ban = this.get(subject)
    if (ban === undefined || ban.recorded === recorded) return
    const noted = { ...ban, recorded }
    this.#shelf.put(noted)
    await this.#writer.save([noted])
  }

  get (subject: string): Ban | undefined {
    return this.#standing(this.#shelf.get(keptSubject(subject) ?? ''), this.#deps.clock())
  }

  liftedAt (subject: string): number {
    return Math.max(this.#deps.store.liftedAt(subject) ?? 0, this.#writer.liftedAt(subject) ?? 0)
  }

  list (query: BanQuery = {}): BanPage | undefined {
    return listBans(this.#shelf, query, this.#deps.clock())
  }

  on (listener: BanListener): () => void {
    return this.#listeners.add(listener)
  }

  sweep (): void {
    const now = this.#deps.clock()
    this.#drop([...this.#shelf.all].filter((ban) => !isInForce(ban, now)).map((ban) => ban.subject))
    this.#writer.retry()
  }

  async close (): Promise<void> {
    clearInterval(this.#timer)
    await this.#writer.flush()
  }

  get all (): Iterable<Ban> { return this.#shelf.all }

  get size (): number { return this.#shelf.size }

  get backlog (): number { return this.#writer.backlog }

  /** The ban itself while it holds; the first look after its end drops it. */
  #standing (ban: Ban | undefined, now: number): Ban | undefined {
    if (ban === undefined || isInForce(ban, now)) return ban
    this.#drop([ban.subject])
    return undefined
  }

  #put (added: Ban): Ban {
    const before = this.#standing(this.#shelf.get(added.subject), this.#deps.clock())
    const ban = before === undefined ? added : mergeBans(before, added)
    this.#shelf.put(ban)
    return ban
  }

  /** Whoever places a ban means it to hold, though its instant may come from a clock behind that of the last lift. */
  #afterLifts (ban: Ban): Ban {
    const liftedAt = this.liftedAt(ban.subject)
    return ban.createdAt > liftedAt ? ban : { ...ban, createdAt: liftedAt + 1 }
  }

  #drop (subjects: readonly string[]): void {
    for (const subject of subjects) this.#shelf.take(subject)
    this.#writer.forget(subjects)
  }

  #makeRoom (): void {
    const { log, clock, maxBans = MAX_BANS } = this.#deps
    const leaving: Ban[] = []
    for (const ban of this.#shelf.all) {
      if (this.size - leaving.length <= maxBans) break
      if (isAutomatic(ban)) leaving.push(ban)
    }
    if (leaving.length === 0) return
    log.warn({ dropped: leaving.length, maxBans }, 'too many bans: the longest standing automatic ones were dropped')
    for (const ban of leaving) this.#shelf.take(ban.subject)
    // Never rejects: failures are told, and tried again, by the writer.
    this.#writer.remove(leaving.map((ban) => liftOf(ban, FOR_WANT_OF_ROOM, clock()))).catch(() => {})
  }
}
