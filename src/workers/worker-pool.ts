import type { Worker } from 'node:cluster'
import type { Socket } from 'node:net'
import type { Log } from '../log.js'
import { Member } from './member.js'
import type { Begin, FromWorker, ToWorker } from './messages.js'

/** Who ends sooner than this has not come to work, and will hardly do so the next time. */
const EARLY_MS = 5000
/** Doubled with every early end in a row. */
const FIRST_DELAY_MS = 100
const MAX_EARLY_ENDS = 5
/** What a worker may take, after the grace, to write what it owes. */
const LAST_WORDS_MS = 5000

export interface WorkerPoolOptions {
  readonly count: number
  readonly log: Log
  /** Starts the process of one worker. */
  fork (number: number): Worker
  /** What a new worker begins with. */
  begin (): Begin
  /** Journal and bans; the pool deals with the rest. */
  onMessage (member: Member, message: FromWorker): void
  /** A connection that a worker did not take. */
  onReturned (socket: Socket): void
  /** One more worker takes connections. */
  onReady (): void
  /** A worker has ended; its numbers, as far as it told them, stand in it. */
  onEnd (member: Member): void
}

/** The workers of a primary: starts them, replaces those that end, stops them. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #members = new Set<Member>()
  readonly #earlyEnds = new Map<number, number>()
  readonly #replacements = new Set<NodeJS.Timeout>()
  readonly #started = Promise.withResolvers<void>()
  readonly #failed = Promise.withResolvers<Error>()
  #allGone: (() => void) | undefined
  #isStopping = false
  #hasStarted = false

  constructor (options: WorkerPoolOptions) {
    this.#options = options
    // Whoever starts us waits for it; a failure later on is told by `failed`.
    this.#started.promise.catch(() => {})
  }

  /** Resolves when a worker cannot be kept alive: there is no use in going on. */
  get failed (): Promise<Error> {
    return this.#failed.promise
  }

  /** True once all workers have been at work together. */
  get hasStarted (): boolean {
    return this.#hasStarted
  }

  get ready (): readonly Member[] {
    return [...this.#members].filter(({ isReady }) => isReady)
  }

  /** Resolves when every worker takes connections; rejects when one cannot be kept alive. */
  async start (): Promise<void> {
    for (let number = 1; number <= this.#options.count; number++) this.#startWorker(number)
    await this.#started.promise
  }

  tellAll (message: ToWorker, besides?: Member): void {
    for (const member of this.#members) if (member !== besides) member.tell(message)
  }

  /** Lets answers in flight end; resolves when every worker is gone. */
  async stop (graceMs: number): Promise<void> {
    this.#isStopping = true
    for (const timer of this.#replacements) clearTimeout(timer)
    for (const member of this.#members) {
      // Who has not come to work holds nobody's connection.
      if (member.isReady || member.isReplaced) member.tell({ kind: 'stop', graceMs })
      else member.kill()
    }
    if (this.#members.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#allGone = resolve
    const cut = setTimeout(() => { for (const member of this.#members) member.kill() }, graceMs + LAST_WORDS_MS)
    await promise
    clearTimeout(cut)
  }

  #startWorker (number: number): void {
    const { fork, onReturned, log } = this.#options
    const worker = fork(number)
    const member = new Member(worker, {
      number,
      now: performance.now(),
      onReturned,
      onMessage: (from, message) => this.#receive(from, message),
      onNonsense: ({ pid }) => log.error({ worker: number, workerPid: pid }, 'a worker has sent what cannot be read'),
    })
    this.#members.add(member)
    worker.once('exit', (code: number | null, signal: string | null) => this.#ended(member, { code, signal }))
  }

  #receive (member: Member, message: FromWorker): void {
    if (message.kind === 'hello') member.tell(this.#options.begin())
    else if (message.kind === 'ready') this.#isAtWork(member)
    else if (message.kind === 'leaving') this.#leaves(member, message.graceMs)
    else this.#options.onMessage(member, message)
  }

  #isAtWork (member: Member): void {
    member.isReady = true
    this.#options.onReady()
    if (this.#hasStarted || this.ready.length < this.#options.count) return
    this.#hasStarted = true
    this.#started.resolve()
  }

  #leaves (member: Member, graceMs: number): void {
    member.isReady = false
    setTimeout(() => { if (this.#members.has(member)) member.kill() }, graceMs + LAST_WORDS_MS).unref()
    this.#replace(member)
  }

  #ended (member: Member, how: { code: number | null, signal: string | null }): void {
    this.#members.delete(member)
    member.end()
    this.#options.onEnd(member)
    if (!this.#isStopping) {
      this.#options.log.error({ worker: member.number, workerPid: member.pid, ...how }, 'a worker has ended')
      this.#replace(member)
    } else if (this.#members.size === 0) this.#allGone?.()
  }

  #replace (member: Member): void {
    if (member.isReplaced || this.#isStopping) return
    member.isReplaced = true
    const { number } = member
    const early = performance.now() - member.startedAt < EARLY_MS ? (this.#earlyEnds.get(number) ?? 0) + 1 : 0
    this.#earlyEnds.set(number, early)
    if (early >= MAX_EARLY_ENDS) {
      this.#giveUp(number)
      return
    }
    const timer = setTimeout(() => {
      this.#replacements.delete(timer)
      this.#startWorker(number)
    }, early === 0 ? 0 : FIRST_DELAY_MS * 2 ** (early - 1))
    this.#replacements.add(timer)
  }

  #giveUp (number: number): void {
    const error = new Error(`worker ${number} ended ${MAX_EARLY_ENDS} times in a row, each within ${EARLY_MS / 1000} s of its start: giving up`)
    this.#started.reject(error)
    this.#failed.resolve(error)
  }
}
