import type { Worker } from 'node:cluster'
import type { Socket } from 'node:net'
import type { MetricsSnapshot } from '../telemetry/contract.js'
import type { FromWorker, ToWorker, WorkerState } from './messages.js'
import { isFromWorker } from './read-message.js'

/** Whoever asks for numbers waits no longer for one worker. */
const ASK_MS = 500

export interface MemberEvents {
  /** Everything but answers and receipts, which the member deals with. */
  onMessage (member: Member, message: FromWorker): void
  /** It has sent something that no worker says. */
  onNonsense (member: Member): void
  /** It did not take this connection: it is leaving, or gone. */
  onReturned (socket: Socket): void
}

/** One worker process as the primary sees it. */
export class Member {
  readonly number: number
  readonly startedAt: number
  /** Takes connections. */
  isReady = false
  /** Another one stands in for it, or will. */
  isReplaced = false
  /** What it told last; undefined: nothing yet. */
  metrics: MetricsSnapshot | undefined
  readonly #process: Worker
  readonly #events: MemberEvents
  readonly #sockets = new Map<number, Socket>()
  readonly #questions = new Map<number, (state: WorkerState | undefined) => void>()
  #lastId = 0

  constructor (process: Worker, { number, now, ...events }: MemberEvents & { number: number, now: number }) {
    this.number = number
    this.startedAt = now
    this.#process = process
    this.#events = events
    process.on('message', (message: unknown) => {
      if (isFromWorker(message)) this.#receive(message)
      else events.onNonsense(this)
    })
    // A channel that breaks is told of by the end of the process.
    process.on('error', () => {})
  }

  get pid (): number | undefined {
    return this.#process.process.pid
  }

  /** Connections that are on their way to it. */
  get underWay (): number {
    return this.#sockets.size
  }

  tell (message: ToWorker): void {
    if (this.#process.isConnected()) this.#process.send(message, () => {})
  }

  /** Ours stays open until the worker has its own: when it dies on the way, another one can have the connection. */
  handOver (socket: Socket): void {
    const id = ++this.#lastId
    this.#sockets.set(id, socket)
    if (!this.#process.isConnected()) return
    this.#process.send({ kind: 'connection', id } satisfies ToWorker, socket, { keepOpen: true }, (error) => {
      if (error !== null) this.#giveBack(id)
    })
  }

  /** undefined: no answer in time. */
  async ask (): Promise<WorkerState | undefined> {
    const id = ++this.#lastId
    const { promise, resolve } = Promise.withResolvers<WorkerState | undefined>()
    const timer = setTimeout(resolve, ASK_MS, undefined)
    this.#questions.set(id, resolve)
    this.tell({ kind: 'ask', id })
    const state = await promise
    clearTimeout(timer)
    this.#questions.delete(id)
    return state
  }

  kill (): void {
    this.#process.process.kill('SIGKILL')
  }

  /** To be called once it has exited. */
  end (): void {
    this.isReady = false
    for (const resolve of this.#questions.values()) resolve(undefined)
    for (const id of [...this.#sockets.keys()]) this.#giveBack(id)
  }

  #receive (message: FromWorker): void {
    if (message.kind === 'taken') this.#release(message.id)?.destroy()
    else if (message.kind === 'returned') this.#giveBack(message.id)
    else if (message.kind === 'answer') {
      this.metrics = message.state.metrics
      this.#questions.get(message.id)?.(message.state)
    } else if (message.kind === 'farewell') this.metrics = message.metrics
    else this.#events.onMessage(this, message)
  }

  #release (id: number): Socket | undefined {
    const socket = this.#sockets.get(id)
    this.#sockets.delete(id)
    return socket
  }

  #giveBack (id: number): void {
    const socket = this.#release(id)
    if (socket !== undefined) this.#events.onReturned(socket)
  }
}
