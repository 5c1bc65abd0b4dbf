import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import { createBanShelf } from './ban-shelf.js'
import { createBanWriter, type BanWriter } from './ban-writer.js'
import type { Ban, BanBook, BanEvent, BanPage, BanQuery, BanStore, FindOptions, LiftOptions } from './contract.js'
import { planLift } from './lift.js'
import { listBans } from './list.js'
import { isAutomatic, isInForce, mergeBans } from './merge.js'
import { checked, readable } from './records.js'
import { canonicalSubject } from './subjects.js'

const SWEEP_EVERY_MS = 30_000
/** Each costs some hundred bytes; above it, automatic bans give way, the longest standing first. */
const MAX_BANS = 250_000

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

interface Person { readonly id: string }

class Book implements BanBook {
  readonly #deps: BanBookDeps
  readonly #shelf = createBanShelf()
  readonly #writer: BanWriter
  readonly #listeners = new Set<(event: BanEvent) => void>()
  #timer: NodeJS.Timeout | undefined

  constructor (deps: BanBookDeps) {
    this.#deps = deps
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
    await Promise.all([this.#writer.save([...spellings.values()]), this.#writer.remove([...spellings.keys()])])
    this.sweep()
    this.#timer = setInterval(() => this.sweep(), SWEEP_EVERY_MS).unref()
    if (this.size > 0) log.info({ bans: this.size }, 'bans loaded')
  }

  find (users: readonly Person[], address: string, now: number, options?: FindOptions): Ban | undefined {
    if (this.#shelf.size === 0) return undefined
    const manualOnly = options?.manualOnly === true
    for (let i = 0; i < users.length; i++) {
      const ban = this.#standing(this.#shelf.ofUser((users[i] as Person).id), now)
      if (ban !== undefined && !(manualOnly && isAutomatic(ban))) return ban
    }
    const subjects = this.#shelf.subjectsOf(address)
    for (let i = 0; i < subjects.length; i++) {
      const ban = this.#standing(this.#shelf.get(subjects[i] as string), now)
      if (ban !== undefined && !(manualOnly && isAutomatic(ban))) return ban
    }
    return undefined
  }

  place (bans: readonly Ban[]): Promise<void> {
    const placed = bans.map(checked).map((ban) => this.#put(ban))
    const written = this.#writer.save(placed)
    this.#makeRoom()
    for (const ban of placed) this.#tell({ kind: 'placed', ban })
    return written
  }

  durable (ban: Ban): Promise<void> | undefined {
    return this.#writer.pending(ban.subject)
  }

  async lift (subject: string, { linked = true, by }: LiftOptions): Promise<readonly string[]> {
    const ban = this.get(subject)
    if (ban === undefined) return []
    const { lifted, changed } = planLift(this.#shelf, ban, { linked, now: this.#deps.clock() })
    for (const gone of lifted) this.#shelf.take(gone)
    for (const kept of changed) this.#shelf.put(kept)
    for (const gone of lifted) this.#tell({ kind: 'lifted', subject: gone, by })
    await Promise.all([this.#writer.remove(lifted), this.#writer.save(changed)])
    return lifted
  }

  get (subject: string): Ban | undefined {
    return this.#standing(this.#shelf.get(canonicalSubject(subject) ?? ''), this.#deps.clock())
  }

  list (query: BanQuery = {}): BanPage | undefined {
    return listBans(this.#shelf, query, this.#deps.clock())
  }

  on (listener: (event: BanEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
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

  get size (): number {
    return this.#shelf.size
  }

  get backlog (): number {
    return this.#writer.backlog
  }

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

  #drop (subjects: readonly string[]): void {
    for (const subject of subjects) this.#shelf.take(subject)
    this.#writer.forget(subjects)
  }

  #makeRoom (): void {
    const { log, maxBans = MAX_BANS } = this.#deps
    const leaving: string[] = []
    for (const ban of this.#shelf.all) {
      if (this.size - leaving.length <= maxBans) break
      if (isAutomatic(ban)) leaving.push(ban.subject)
    }
    if (leaving.length === 0) return
    log.warn({ dropped: leaving.length, maxBans }, 'too many bans: the longest standing automatic ones were dropped')
    this.#drop(leaving)
  }

  #tell (event: BanEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#deps.log.error({ err: error }, 'a listener to bans failed')
      }
    }
  }
}
