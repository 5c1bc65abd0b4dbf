import type { Log } from '../../log.js'
import type { Clock } from '../../clock.js'
import { isSameState, jsonOf, mergeStates, type BanState, type LocalBans } from './bans-local.js'
import type { Change, RemoteBans, RemoteState } from './bans-remote.js'

/** Changes on their way to Redis at a time, beside those that somebody waits for. */
const AT_A_TIME = 64
/** Each try loses against another instance's change; more in a row do not happen in practice. */
const MAX_TRIES = 50
/** A connection that breaks is known to be lost by the next round; failures beside a good one are news. */
const TOLD_AFTER = 2
export const BY_OTHERS = 'another instance'

export interface BanOutboxOptions {
  readonly remote: RemoteBans
  readonly local: LocalBans
  readonly clock: Clock
  readonly log: Log
  /** False while the connection is known to be lost, which others tell of. */
  isConnected (): boolean
}

/**
 * Subjects whose state here Redis does not have yet, and how it gets it: what is sent is the state as it is by then,
 * in place of the one that Redis was last known to hold. Where that has changed, both are merged, here and there.
 */
export interface BanOutbox {
  /** To be called before a change is made here. */
  note (subject: string, by: string): void
  /** Sends one subject's state. Resolves when Redis has it; rejects when that failed, and it stays in the outbox. */
  send (subject: string): Promise<void>
  /** Begins to send all; stops at the first failure. */
  sendAll (): void
  /** A snapshot begins after change `seq`; to be called as soon as Redis has said so. */
  restart (seq: number): void
  /** Another's change, or the echo of ours, from the stream, in order. */
  receive (change: Change): void
  /** A subject as a snapshot taken after change `seq` has it. */
  compare (subject: string, found: RemoteState, seq: number): void
  forget (subject: string): void
  /** Sends all; resolves when nothing is on its way any more. */
  flush (): Promise<void>
  readonly size: number
}

export function createBanOutbox (options: BanOutboxOptions): BanOutbox {
  return new Outbox(options)
}

interface Waiting {
  /** The JSON that Redis was last known to hold; '' = none. */
  known: string
  by: string
  /** Changes made here so far: an answer that comes after a further one is not the last word. */
  version: number
}

class Outbox implements BanOutbox {
  readonly #options: BanOutboxOptions
  readonly #waiting = new Map<string, Waiting>()
  readonly #underWay = new Map<string, Promise<void>>()
  /** The numbers of changes of ours whose echo is still to come. */
  readonly #sent = new Map<string, number>()
  /** The last change that the stream brought. */
  #seen = 0
  #isFailing = false
  #isTold = false
  /** Rounds of sending that failed, in a row. */
  #failures = 0

  constructor (options: BanOutboxOptions) {
    this.#options = options
  }

  note (subject: string, by: string): void {
    const waiting = this.#waiting.get(subject)
    if (waiting === undefined) {
      const known = jsonOf(this.#options.local.stateOf(subject))
      this.#waiting.set(subject, { known, by, version: 0 })
    } else {
      waiting.by = by
      waiting.version++
    }
  }

  send (subject: string): Promise<void> {
    const before = this.#underWay.get(subject)
    if (before !== undefined) return before
    const sending = this.#deliver(subject).finally(() => this.#underWay.delete(subject))
    this.#underWay.set(subject, sending)
    return sending
  }

  sendAll (): void {
    this.#isFailing = false
    for (let i = this.#underWay.size; i < AT_A_TIME; i++) this.#sendNext()
  }

  restart (seq: number): void {
    // What was sent before has been answered before: both went over one connection. Its numbers may have been of a
    // Redis that has lost its data since.
    this.#sent.clear()
    this.#seen = seq
  }

  receive (change: Change): void {
    const { subject, n } = change
    this.#seen = n
    const sent = this.#sent.get(subject) ?? 0
    if (sent <= n) this.#sent.delete(subject)
    if (sent >= n) return
    if (this.#waiting.has(subject)) this.#meet(subject, change, change.by)
    else this.#replace(subject, change)
  }

  compare (subject: string, found: RemoteState, seq: number): void {
    // Not in the snapshot, perhaps, and its echo is still to come.
    if ((this.#sent.get(subject) ?? 0) > seq) return
    this.#meet(subject, found, BY_OTHERS)
  }

  forget (subject: string): void {
    this.#waiting.delete(subject)
  }

  readonly flush = async (): Promise<void> => {
    this.sendAll()
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay.values())
  }

  get size (): number {
    return this.#waiting.size
  }

  #sendNext (): void {
    if (this.#isFailing) return
    for (const subject of this.#waiting.keys()) {
      if (this.#underWay.has(subject)) continue
      this.send(subject).then(() => this.#sendNext(), (error) => this.#fail(error))
      return
    }
    if (this.size > 0) return
    this.#failures = 0
    if (!this.#isTold) return
    this.#isTold = false
    this.#options.log.info({}, 'Redis has all changes of bans again')
  }

  #fail (error: unknown): void {
    const { log, isConnected } = this.#options
    if (!this.#isFailing) this.#failures++
    this.#isFailing = true
    if (this.#isTold || this.#failures < TOLD_AFTER || !isConnected()) return
    this.#isTold = true
    const { message } = error as Error
    log.warn({ reason: message, waiting: this.size }, 'Redis does not take changes of bans: they hold here, and are sent again')
  }

  async #deliver (subject: string): Promise<void> {
    const { local, remote, clock } = this.#options
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const waiting = this.#waiting.get(subject)
      if (waiting === undefined) return
      const state = local.stateOf(subject)
      const { version, known, by } = waiting
      const json = jsonOf(state)
      if (json === '' && state.liftedAt < 0) return this.forget(subject)
      const reply = await remote.put({ subject, known, json, liftedAt: state.liftedAt, by }, clock())
      if ('found' in reply) {
        this.#meet(subject, reply.found, BY_OTHERS)
        continue
      }
      if (reply.n > this.#seen) this.#sent.set(subject, reply.n)
      waiting.known = json
      if (waiting.version === version && this.#waiting.get(subject) === waiting) this.forget(subject)
    }
    throw new Error(`${subject} changes faster in Redis than we can write`)
  }

  /** Redis has another state than we knew, and we may have one that Redis does not know: both hold. */
  #meet (subject: string, found: RemoteState, by: string): void {
    const { local } = this.#options
    const ours = local.stateOf(subject)
    if (jsonOf(ours) === found.json && ours.liftedAt === found.liftedAt) return this.forget(subject)
    const theirs = local.read(subject, found)
    const both = mergeStates(theirs, ours)
    if (!isSameState(both, ours)) local.adopt(subject, both, by)
    this.#await(subject, { found, isThere: isSameState(both, theirs), by })
  }

  /** We had nothing to say about the subject: what Redis has holds, but for what is older than a lift we know of. */
  #replace (subject: string, change: Change): void {
    const { local } = this.#options
    const ours = local.stateOf(subject)
    const theirs = local.read(subject, change)
    const liftedHere: BanState = { ban: undefined, liftedAt: ours.liftedAt }
    const held = mergeStates(theirs, theirs.ban === undefined ? ours : liftedHere)
    if (!isSameState(held, ours)) local.adopt(subject, held, change.by)
    this.#await(subject, { found: change, isThere: isSameState(held, theirs), by: BY_OTHERS })
  }

  #await (subject: string, { found, isThere, by }: { found: RemoteState, isThere: boolean, by: string }): void {
    const waiting = this.#waiting.get(subject)
    if (isThere) this.forget(subject)
    else if (waiting === undefined) this.#waiting.set(subject, { known: found.json, by, version: 0 })
    else waiting.known = found.json
  }
}
