import { EventEmitter } from 'node:events'
import { AsyncLocalStorage } from 'node:async_hooks'
import { chain } from '../../src/chain.js'
import { createConcurrency, type ConcurrencyOptions } from '../../src/concurrency/concurrency.js'
import type { Lease, LeaseStore } from '../../src/concurrency/contract.js'
import type { AnswerObserver, Exchange } from '../../src/exchange.js'
import type { Identity } from '../../src/identity/contract.js'
import type { ConcurrencyRule, Policy, ReleaseRule } from '../../src/policy/contract.js'
import type { Plan } from '../../src/policy/plan-contract.js'
import { createMemoryLeases } from '../../src/stores/memory/leases.js'
import { createScoresInProcess } from '../../src/stores/memory/scores.js'
import type { Verdict } from '../../src/verdict/verdict.js'
import { BANS } from '../limits/exchanges.js'

export const leaseMs = 300_000

/** The rule of the librechat preset. */
export const streamed: ConcurrencyRule = {
  name: 'messages',
  key: ['user'],
  max: 2,
  leaseMs,
  release: 'stream',
  violation: 'concurrent',
  score: 1,
  observe: false,
  onFailure: 'local',
  stream: {
    id: ['streamId'],
    repeat: ['clientRequestId'],
    aborted: ['aborted'],
    active: { path: '/api/agents/chat/active', list: ['activeJobIds'] },
  },
}

export const plain: ConcurrencyRule = { ...streamed, name: 'answers', release: 'response', stream: undefined }

export interface Message {
  /** Undefined: nobody. */
  user?: string | undefined
  /** Users of all credentials, if there are more. */
  users?: readonly string[]
  ip?: string
  rules?: readonly ConcurrencyRule[]
  releases?: readonly ReleaseRule[]
  mode?: Plan['mode']
  skipLimits?: boolean
  path?: string
  params?: Exchange['params']
  body?: unknown
}

export function exchangeOf (message: Message = {}): Exchange {
  const { rules = [streamed], mode = 'enforce', path = '/', skipLimits = false } = message
  return {
    id: 'r',
    receivedAt: 0,
    method: 'POST',
    target: { raw: path, path, query: '', authority: undefined },
    headers: {},
    rawHeaders: [],
    upgrade: false,
    connection: Object.assign(new EventEmitter(), { destroyed: false }),
    policy: { access: { exemptSkipsLimits: skipLimits }, bans: BANS } as Policy,
    plan: { concurrency: rules, releases: message.releases ?? [], mode } as Plan,
    identity: identityOf(message),
    exempt: skipLimits,
    params: message.params ?? {},
    body: message.body === undefined ? undefined : Buffer.from(JSON.stringify(message.body)),
    json: message.body,
    form: undefined,
    fields: undefined,
    model: '',
    decision: undefined,
    observed: [],
    isTrigger: true,
    change: undefined,
  }
}

function identityOf (message: Message): Identity {
  const { ip = '203.0.113.9' } = message
  const user = 'user' in message ? message.user : '42'
  return {
    client: {
      address: ip, subject: `ip:${ip}`, bannable: true, fromTrustedProxy: false, proto: 'http', host: undefined,
    },
    user: user === undefined ? undefined : { id: user },
    users: (message.users ?? (user === undefined ? [] : [user])).map((id) => ({ id })),
    group: undefined,
  }
}

export interface Sending {
  readonly verdict: Verdict | undefined
  readonly exchange: Exchange
  /** What the store granted it, given back or not. */
  readonly leases: readonly Lease[]
}

export interface Gate {
  readonly room: ReturnType<typeof createConcurrency>
  readonly store: LeaseStore
  now: number
  readonly asked: string[]
  readonly booked: string[]
  readonly refunded: Exchange[]
  readonly errors: Error[]
  /** What the backend's active list answers; undefined: nothing. */
  active: ConcurrencyOptions['askActive']
  /** Sends a message to the check. */
  send (message?: Message): Promise<Sending>
  /** Sends one that must pass, and lets the backend answer it with this stream. */
  start (stream: string, message?: Message): Promise<Exchange>
  /** Opens the backend's stream, of the head given. */
  open (stream: string, message?: Message, headers?: Record<string, string>): AnswerObserver
  held (holder?: string, rule?: string): Promise<number>
}

/** Leases in process, with scores of their own. */
export function memoryLeases (): LeaseStore {
  return createMemoryLeases({ scores: createScoresInProcess({ clock: () => 0, retentionMs: 86_400_000 }) })
}

export function createGate (store: LeaseStore = memoryLeases()): Gate {
  let count = 0
  const granted = new AsyncLocalStorage<Lease[]>()
  const watched: LeaseStore = {
    ...store,
    take: (request) => chain(store.take(request), (result) => {
      if (result.granted) granted.getStore()?.push(request.lease)
      return result
    }),
  }
  const gate: Gate = {
    room: createConcurrency({
      store: watched,
      askActive: (exchange, path) => {
        gate.asked.push(path)
        return gate.active(exchange, path)
      },
      violations: {
        settle: (_exchange, { rule }, { booking }) => {
          gate.booked.push(rule)
          return booking
        },
      },
      refund: (exchange) => { gate.refunded.push(exchange) },
      clock: () => gate.now,
      newId: () => `lease-${count++}`,
      onError: (error) => gate.errors.push(error),
    }),
    store,
    now: 1_000_000,
    asked: [],
    booked: [],
    refunded: [],
    errors: [],
    active: async () => undefined,
    async send (message) {
      const exchange = exchangeOf(message)
      const leases: Lease[] = []
      return { verdict: await granted.run(leases, () => gate.room.check(exchange)), exchange, leases }
    },
    async start (stream, message) {
      const { verdict, exchange } = await gate.send(message)
      if (verdict !== undefined) throw new Error(`refused: ${verdict.rule}`)
      answerJson(gate.room.observeMessage(exchange), { streamId: stream })
      gate.now += 1
      return exchange
    },
    open (stream, message, headers = {}) {
      const observer = gate.room.observeStream(exchangeOf(message), streamed, stream)
      if (observer === undefined) throw new Error('not observed')
      observer.onHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...headers })
      return observer
    },
    held: async (holder = 'user:42', rule = 'messages') => (await store.list(holder, rule, gate.now)).records.length,
  }
  return gate
}

export function answerJson (observer: AnswerObserver | undefined, value: unknown, status = 200): void {
  if (observer === undefined) throw new Error('not observed')
  const asked = observer.onHead(status, { 'content-type': 'application/json; charset=utf-8' })
  if (asked.body) observer.onData?.(Buffer.from(JSON.stringify(value)))
  observer.onEnd('complete')
}

/** Lets stores in other processes and decoders catch up. */
export async function settle (turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export const finalFrame = 'event: message\ndata: {"final":true,"conversation":{}}\n\n'
