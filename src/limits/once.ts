/**
 * Deliveries that come twice. A webhook's sender delivers again whatever was not answered with 2xx in time, so that the
 * backend may have it already, or have it just now: then it is not forwarded again (reference telegram-bot.md, "The
 * webhook, as a proxy sees it"). A delivery has two buckets of one place: known, and in flight.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { chain, rescue, runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import type { AnswerObserver, Check, Exchange, ObserveAnswer } from '../exchange.js'
import { faultOf } from '../errors.js'
import type { DeliveredVerdict, FaultVerdict, Verdict } from '../verdict/verdict.js'
import type { CounterStore, OnceRule } from './contract.js'
import { chargeOf, deliveryOf, hitsOf, type Delivery } from './delivery.js'

/** How often it is asked after a delivery that another instance has in flight. */
const ASK_EVERY_MS = 250
/** How long it is waited for. Telegram itself waits a minute. */
const PATIENCE_MS = 50_000

export interface DeliveriesOptions {
  readonly store: CounterStore
  readonly clock: Clock
  /** An id for a decision, unique over all instances. */
  newId (): string
  /** Gives back what limiters charged for a delivery that will come again. */
  refund (exchange: Exchange): void
  onStoreError (error: Error): void
  readonly askEveryMs?: number
  readonly patienceMs?: number
}

export interface Deliveries {
  /** Answers what the backend has already, and waits for what it has just now. To be made once a plan. */
  checkFor (rule: OnceRule): Check
  /** For the delivery itself. */
  readonly observe: ObserveAnswer
  /** Frees the place of an exchange that is refused. This and the next are harmless at any time, any number of times. */
  release (exchange: Exchange): void
  /** The same for one that failed and will come again: its limiters' charges go back too. */
  giveUp (exchange: Exchange): void
}

/** A delivery of this process that has no answer yet. */
interface Flight {
  readonly delivery: Delivery
  /** Resolves once the store knows how it went: true, it was delivered. */
  readonly ended: Promise<boolean>
  end (isDelivered: boolean): void
}

type Standing = 'ours' | 'delivered' | 'in flight'

export function createDeliveries (options: DeliveriesOptions): Deliveries {
  const { store, clock, newId, refund, onStoreError, askEveryMs = ASK_EVERY_MS, patienceMs = PATIENCE_MS } = options
  const flights = new Map<string, Flight>()
  const held = new WeakMap<Exchange, Flight>()

  /** Where nobody can say, it is taken for the first. */
  function ask (exchange: Exchange, delivery: Delivery): Standing | Promise<Standing> {
    const question = { id: newId(), hits: hitsOf(delivery), slots: [], now: clock() }
    return chain(rescue(() => store.decide(question), onStoreError), (decision) => {
      if (decision?.refused === 0) return 'delivered'
      if (decision?.refused === 1) return 'in flight'
      hold(exchange, delivery)
      return 'ours'
    })
  }

  function hold (exchange: Exchange, delivery: Delivery): void {
    const flight = createFlight({ ...delivery, takenAt: clock() })
    flights.set(delivery.bucket, flight)
    held.set(exchange, flight)
  }

  async function wait (exchange: Exchange, delivery: Delivery): Promise<Verdict | undefined> {
    for (let waitedMs = 0; waitedMs < patienceMs && !exchange.connection.destroyed; waitedMs += askEveryMs) {
      const flight = flights.get(delivery.bucket)
      const pause = sleep(askEveryMs, undefined)
      const isDelivered = await (flight === undefined ? pause : Promise.race([flight.ended, pause]))
      if (isDelivered === true) return DELIVERED
      // Nobody else can know better than we do what is in flight here.
      if (flights.has(delivery.bucket)) continue
      const standing = await ask(exchange, delivery)
      if (standing !== 'in flight') return verdictOf(standing)
    }
    return IN_FLIGHT
  }

  /** The place is freed after it is known that the delivery was made, so that nobody slips in between. */
  function settle (exchange: Exchange, isDelivered: boolean): void {
    const flight = held.get(exchange)
    if (flight === undefined) return
    held.delete(exchange)
    const { delivery } = flight
    runAside(() => chain(
      rescue(() => isDelivered ? store.charge(chargeOf(delivery, 'known', clock())) : undefined, onStoreError),
      () => chain(rescue(() => free(delivery), onStoreError), () => {
        if (flights.get(delivery.bucket) === flight) flights.delete(delivery.bucket)
        flight.end(isDelivered)
      })), onStoreError)
  }

  function giveUp (exchange: Exchange): void {
    if (held.has(exchange)) refund(exchange)
    settle(exchange, false)
  }

  /** What has run out may be somebody else's by now. */
  function free (delivery: Delivery): void | Promise<void> {
    const now = clock()
    if (now - delivery.takenAt < delivery.inFlightMs) return store.refund(chargeOf(delivery, 'inFlight', now))
  }

  return {
    checkFor: (rule) => (exchange) => {
      const delivery = deliveryOf(rule, exchange)
      if (delivery === undefined) return undefined
      return chain(ask(exchange, delivery), (standing) =>
        standing === 'in flight' ? wait(exchange, delivery) : verdictOf(standing))
    },
    observe: (exchange) => held.has(exchange) ? observer(exchange) : undefined,
    release: (exchange) => { settle(exchange, false) },
    giveUp,
  }

  function observer (exchange: Exchange): AnswerObserver {
    return {
      onHead (status) {
        if (status >= 200 && status < 300) settle(exchange, true)
        else giveUp(exchange)
        return { body: false }
      },
      onEnd: () => { giveUp(exchange) },
    }
  }
}

const DELIVERED: DeliveredVerdict = { kind: 'delivered', rule: 'once', status: 200, message: '', silent: true }
const { code, status, title, message } = faultOf('STILL_IN_FLIGHT')
const IN_FLIGHT: FaultVerdict = { kind: 'fault', rule: 'once', code, status, title, message }

function verdictOf (standing: Exclude<Standing, 'in flight'>): Verdict | undefined {
  return standing === 'delivered' ? DELIVERED : undefined
}

function createFlight (delivery: Delivery): Flight {
  const { promise: ended, resolve: end } = Promise.withResolvers<boolean>()
  return { delivery, ended, end }
}
