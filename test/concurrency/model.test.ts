import fc from 'fast-check'
import t from 'tap'
import type { LeaseStore } from '../../src/concurrency/contract.js'
import type { AnswerObserver, Exchange } from '../../src/exchange.js'
import { answerJson, createGate, exchangeOf, finalFrame, leaseMs, memoryLeases, streamed, type Gate } from './harness.js'
import { createConnection, randomOf, slowLeases, type Connection } from '../helpers/slow-stores.js'
import { createReferenceStore } from './reference-store.js'

/** A generation of the naive backend. */
interface Job { readonly stream: string, readonly repeat: string, isRunning: boolean }

/** An admitted message, as the model knows it. */
interface Sent {
  readonly lease: string
  readonly exchange: Exchange
  readonly observer: AnswerObserver | undefined
  readonly stream: string
  readonly repeat: string
  job: Job | undefined
  /** The backend may still start it, or its answer is on the way. */
  isPending: boolean
  /** The backend took it for a repetition of a running one: it needs no slot of its own. */
  isRepetition: boolean
  /** Until then the slot must not be freed while the message may be running. */
  safeUntil: number
}

interface Tab { readonly observer: AnswerObserver, readonly job: Job, readonly covers: ReadonlySet<string> }

type Step = readonly [kind: string, pick: number, choice: number]

const kinds = [
  'send', 'send', 'together', 'give up', 'message', 'message', 'message', 'begin', 'begin', 'answer', 'answer', 'reject', 'leave', 'open', 'open', 'progress',
  'deliver', 'deliver', 'finish', 'abort', 'askAbort', 'answerAbort', 'advance',
]
const streams = ['a', 'b']
const repeats = ['r1', 'r2']

/** A backend, its users' tabs and what must be true of the leases, whatever order things happen in. */
class World {
  readonly gate: Gate
  readonly jobs = new Map<string, Job>()
  readonly sent: Sent[] = []
  readonly tabs: Tab[] = []
  readonly aborts: { observer: AnswerObserver, stream: string }[] = []
  refusals = 0
  during: (() => Promise<void>) | undefined

  constructor (store: LeaseStore) {
    this.gate = createGate(store)
    this.gate.active = async () => {
      const activeJobIds = [...this.jobs.values()].filter((job) => job.isRunning).map(({ stream }) => stream)
      const during = this.during
      this.during = undefined
      await during?.()
      return { status: 200, body: { activeJobIds } }
    }
  }

  async step ([kind, pick, choice]: Step, during?: Step): Promise<void> {
    const { gate } = this
    const message = this.sent.at(-1 - pick % 4)
    const tab = this.tabs.at(-1 - pick % 4)
    const stream = streams[choice % 2] ?? 'a'
    switch (kind) {
      case 'send':
        this.during = during === undefined ? undefined : () => this.step(during)
        return await this.send(stream, repeats[pick % 2] ?? '')
      case 'together': return await this.sendTwo(stream, [repeats[pick % 2] ?? '', repeats[choice % 2] ?? ''])
      case 'give up': return await this.giveUp(repeats[pick % 2] ?? '')
      case 'message': {
        const before = this.sent.length
        await this.send(stream, repeats[pick % 2] ?? '')
        const sent = this.sent[before]
        if (sent !== undefined) this.begin(sent)
        return sent && await this.answer(sent)
      }
      case 'begin': return message && this.begin(message)
      case 'answer': return message && await this.answer(message)
      case 'reject': return message?.job === undefined && message?.isPending === true ? this.reject(message) : undefined
      case 'leave': return message && this.leave(message)
      case 'open': return await this.open(stream)
      case 'progress': return tab?.job.isRunning === true ? this.progress(tab) : undefined
      case 'deliver': return tab?.job.isRunning === false ? tab.observer.onData?.(Buffer.from(finalFrame)) : undefined
      case 'finish': {
        const job = this.jobs.get(stream)
        if (job !== undefined) job.isRunning = false
        return
      }
      case 'abort': return this.answerAbort({ observer: this.abortObserver(), stream })
      case 'askAbort':
        this.aborts.push({ observer: this.abortObserver(), stream })
        return
      case 'answerAbort': return this.answerAbort(this.aborts.shift())
      case 'advance': gate.now += [1, 1000, 30_000, 59_999, leaseMs / 2, leaseMs][choice % 6] ?? 0
    }
  }

  async send (stream: string, repeat: string): Promise<void> {
    const { verdict, exchange, leases: [lease] } = await this.gate.send({ body: { clientRequestId: repeat } })
    this.during = undefined
    if (verdict !== undefined) this.refusals++
    if (lease === undefined) return
    this.sent.push({
      lease: lease.id,
      exchange,
      observer: this.gate.room.observeMessage(exchange),
      stream,
      repeat,
      job: undefined,
      isPending: true,
      isRepetition: false,
      safeUntil: lease.takenAt + leaseMs,
    })
  }

  async sendTwo (stream: string, names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.send(stream, name)))
  }

  /** The client does not wait for the store. */
  async giveUp (repeat: string): Promise<void> {
    const exchange = exchangeOf({ body: { clientRequestId: repeat } })
    const checking = this.gate.room.check(exchange)
    this.gate.room.release(exchange)
    await checking
    if (this.gate.room.observeMessage(exchange) !== undefined) throw new Error('holds something for a client that left')
  }

  /** The backend takes the message up: a repetition joins the running generation, anything else replaces it. */
  begin (message: Sent): void {
    if (message.job !== undefined || !message.isPending) return
    const running = this.jobs.get(message.stream)
    if (running?.isRunning === true && running.repeat === message.repeat) {
      message.isRepetition = true
      message.job = running
      return
    }
    if (running !== undefined) running.isRunning = false
    message.job = { stream: message.stream, repeat: message.repeat, isRunning: true }
    this.jobs.set(message.stream, message.job)
  }

  async answer (message: Sent): Promise<void> {
    if (message.job === undefined || !message.isPending) return
    message.isPending = false
    const records = await this.records()
    const twin = records.find(({ id, stream, repeatKey }) =>
      id !== message.lease && stream === message.stream && repeatKey?.split(' ')[0] === message.repeat)
    answerJson(message.observer, { streamId: message.stream })
    if (twin !== undefined) this.join(message, twin.id)
    else if (records.some(({ id }) => id === message.lease)) message.safeUntil = this.gate.now + leaseMs
  }

  /**
   * Two messages of one name on one stream: the one answered first keeps its slot for both. (If the first generation
   * ended after the backend was asked, the second is taken for it: that much is free.)
   */
  join (message: Sent, twin: string): void {
    message.isRepetition = true
    const original = this.sent.find(({ lease }) => lease === twin)
    if (original?.job === message.job && original !== undefined) original.isRepetition = false
  }

  reject (message: Sent): void {
    message.isPending = false
    answerJson(message.observer, {}, 503)
  }

  /** The client goes, the backend does not care. */
  leave (message: Sent): void {
    if (!message.isPending) return
    message.isPending = false
    if (message.job === undefined) this.begin({ ...message, isPending: true })
    message.job ??= this.jobs.get(message.stream)
    message.safeUntil = Math.min(message.safeUntil, this.gate.now + 60_000)
    message.observer?.onEnd('aborted')
  }

  async open (stream: string): Promise<void> {
    const job = this.jobs.get(stream)
    if (job === undefined) return
    const covers = (await this.records()).filter((record) => record.stream === stream).map(({ id }) => id)
    this.tabs.push({ observer: this.gate.open(stream), job, covers: new Set(covers) })
  }

  progress (tab: Tab): void {
    tab.observer.onData?.(Buffer.from('data: {"text":"\\"final\\":true"}\n\n'))
    for (const message of this.sent) {
      const isSeen = tab.covers.has(message.lease) && message.safeUntil > this.gate.now
      if (isSeen) message.safeUntil = Math.max(message.safeUntil, this.gate.now - 5_000 + leaseMs)
    }
  }

  abortObserver (): AnswerObserver {
    const observer = this.gate.room.observeAbort(exchangeOf(), streamed)
    if (observer === undefined) throw new Error('not observed')
    return observer
  }

  answerAbort (abort: { observer: AnswerObserver, stream: string } | undefined): void {
    const job = abort && this.jobs.get(abort.stream)
    if (abort === undefined || job?.isRunning !== true) return
    job.isRunning = false
    answerJson(abort.observer, { success: true, aborted: abort.stream })
  }

  async records () {
    return (await this.gate.store.list('user:42', 'messages', this.gate.now)).records
  }

  async live (): Promise<ReadonlySet<string>> {
    return new Set((await this.records()).map(({ id }) => id))
  }

  /** What is wrong just now; empty: nothing. */
  async faults (): Promise<string[]> {
    const live = await this.live()
    const lost = this.sent.filter((message) => !message.isRepetition && message.safeUntil > this.gate.now &&
      (message.isPending || message.job?.isRunning === true) && !live.has(message.lease))
    const strangers = [...live].filter((id) => !this.sent.some(({ lease }) => lease === id))
    return [
      ...strangers.map((id) => `held for nobody: ${id}`),
      ...lost.map((message) => `freed while running: ${message.lease} on ${message.stream}`),
      ...live.size > streamed.max ? ['more slots than max'] : [],
      ...this.gate.errors.map(String),
    ]
  }
}

const step = fc.tuple(fc.constantFrom(...kinds), fc.nat(9), fc.nat(9))
/** What happens while the backend is being asked. A message that waits for the same answer is a test of its own. */
const meanwhile = step.filter(([kind]) => !['send', 'together', 'give up', 'message'].includes(kind))
const script = fc.array(fc.tuple(step, fc.option(meanwhile, { nil: undefined })), { minLength: 5, maxLength: 60 })

const stores: readonly (readonly [name: string, create: (connection: Connection) => LeaseStore, numRuns: number])[] = [
  ['of the tests', createReferenceStore, 500],
  ['in process', memoryLeases, 1500],
  ['elsewhere', (connection) => slowLeases(memoryLeases(), connection), 150],
]

for (const [name, createStore, numRuns] of stores) {
  t.test(`no order of events frees a running message or lets one too many in (store ${name})`, async (t) => {
    let refusals = 0
    let refunds = 0
    await fc.assert(fc.asyncProperty(script, fc.integer(), fc.boolean(), async (steps, seed, inOrder) => {
      const connection = createConnection({ random: randomOf(seed), inOrder })
      const world = new World(createStore(connection))
      for (const [next, during] of steps) {
        await world.step(next, during)
        if (connection.sent.length > 0) await connection.quiet()
        const faults = await world.faults()
        if (faults.length > 0) throw new Error(faults.join('\n'))
      }
      refusals += world.refusals
      refunds += world.gate.refunded.length
      const repetitions = world.sent.filter(({ isRepetition }) => isRepetition).map(({ exchange }) => exchange)
      if (!world.gate.refunded.every((exchange) => repetitions.includes(exchange))) throw new Error('refunded a message')
      world.gate.now += leaseMs
      if ((await world.live()).size > 0) throw new Error('a lease that does not run out')
    }), { numRuns })
    t.ok(refusals > 10 && refunds > 2, `${refusals} refusals, ${refunds} refunds`)
  })
}

t.test('messages that end as they should always make room for the next', async (t) => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.tuple(fc.constantFrom('final', 'error', 'abort', 'refused', 'replayed'), fc.nat(1)), { maxLength: 40 }),
    async (endings) => {
      const gate = createGate()
      for (const [ending, pick] of endings) {
        const stream = streams[pick] ?? 'a'
        const { exchange, verdict } = await gate.send()
        if (verdict !== undefined) throw new Error(`no room before ${ending}`)
        const early = gate.open(stream)
        answerJson(gate.room.observeMessage(exchange), { streamId: stream }, ending === 'refused' ? 500 : 200)
        early.onData?.(Buffer.from(finalFrame))
        if (await gate.held() !== (ending === 'refused' ? 0 : 1)) throw new Error('freed by an old stream')
        const tab = gate.open(stream)
        if (ending === 'abort') answerJson(gate.room.observeAbort(exchangeOf(), streamed), { aborted: stream })
        if (ending === 'error') tab.onData?.(Buffer.from('event: error\ndata: {"error":"x"}\n\n'))
        if (ending === 'final' || ending === 'replayed') tab.onData?.(Buffer.from(finalFrame))
        if (ending === 'replayed') gate.open(stream).onData?.(Buffer.from(finalFrame))
        if (await gate.held() !== 0) throw new Error(`kept after ${ending}`)
      }
    }), { numRuns: 200 })
  t.pass()
})
