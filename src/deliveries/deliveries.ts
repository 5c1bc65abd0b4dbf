/**
 * Deliveries that come twice. A webhook's sender delivers again whatever was not answered with 2xx in time, so that the
 * backend may have it already, or have it just now: then it is not forwarded again (reference telegram-bot.md, "The
 * webhook, as a proxy sees it"). A delivery has two buckets of one place: known, and in flight.
 */
import { chain, rescue, runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import type { AnswerObserver, Exchange } from '../exchange.js'
import { faultOf } from '../errors.js'
import type { CounterStore, Decision } from '../limits/contract.js'
import { settleState } from '../limits/limits.js'
import type { DeliveredVerdict, FaultVerdict, Verdict } from '../verdict/verdict.js'
import type { Deliveries } from './contract.js'
import { deliveriesBy, hitsOf, IN_FLIGHT, KNOWN, knownCharge, type Delivery } from './delivery.js'
import { createFlights, landingOf, type Flight, type Flights } from './flights.js'
import { createWaitingRoom, type WaitingRoom } from './waiting-room.js'

export type { Deliveries } from './contract.js'

/** How often it is asked after a delivery that another instance has in flight. */
const ASK_EVERY_MS = 250
/** The longest that a timer is set for at once. */
const LONGEST_MS = 60_000

const DELIVERED: DeliveredVerdict = { kind: 'delivered', rule: 'once', status: 200, message: '', silent: true }
const { code, status, title, message } = faultOf('STILL_IN_FLIGHT')
const STILL_IN_FLIGHT: FaultVerdict = { kind: 'fault', rule: 'once', code, status, title, message }

export interface DeliveriesOptions {
  readonly store: CounterStore
  readonly clock: Clock
  /** An id for a decision, unique over all instances. */
  newId (): string
  /** Gives back what limiters charged for a delivery that will come again. */
  refund (exchange: Exchange): void
  onStoreError (error: Error): void
  readonly askEveryMs?: number
}

interface Parts extends Required<DeliveriesOptions> {
  readonly flights: Flights
  readonly waiting: WaitingRoom
  /** Who has a delivery's place. */
  readonly held: WeakMap<Exchange, Place>
}

interface Place {
  readonly delivery: Delivery
  readonly flight: Flight
  /** By which it was taken; undefined: nobody could say whether it was free. */
  readonly decision: Decision | undefined
}

/** A delivery at the door. */
interface Caller {
  readonly exchange: Exchange
  readonly delivery: Delivery
  readonly patienceMs: number
}

type Standing = 'ours' | 'delivered' | 'in flight'

export function createDeliveries ({ askEveryMs = ASK_EVERY_MS, ...options }: DeliveriesOptions): Deliveries {
  const held = new WeakMap<Exchange, Place>()
  const parts: Parts = { ...options, askEveryMs, flights: createFlights(), waiting: createWaitingRoom(), held }
  const giveUp = (exchange: Exchange): void => {
    if (held.has(exchange)) options.refund(exchange)
    land(parts, exchange, false)
  }
  return {
    checkFor (rule) {
      const deliveryOf = deliveriesBy(rule)
      return (exchange) => {
        const delivery = deliveryOf(exchange)
        if (delivery === undefined) return undefined
        const caller = { exchange, delivery, patienceMs: rule.patienceMs }
        return chain(ask(parts, caller), (standing) =>
          standing === 'in flight' ? wait(parts, caller) : verdictOf(standing))
      }
    },
    observe: (exchange): AnswerObserver | undefined => held.has(exchange)
      ? {
          onHead (status) {
            land(parts, exchange, status >= 200 && status < 300)
            return { body: false }
          },
          // Without a head. Who left did so while the backend was at work, and the work is what is counted.
          onEnd: (outcome) => {
            if (outcome === 'failed') giveUp(exchange)
            else land(parts, exchange, false)
          },
        }
      : undefined,
    release: (exchange) => { land(parts, exchange, false) },
    giveUp,
  }
}

/** Where nobody can say, it is taken for the first. */
function ask (
  { store, clock, newId, onStoreError, flights, held }: Parts, { exchange, delivery }: Caller
): Standing | Promise<Standing> {
  const question = { id: newId(), hits: hitsOf(delivery), slots: [], now: clock() }
  return chain(rescue(() => store.decide(question), onStoreError), (decision) => {
    if (decision?.refused === KNOWN) return 'delivered'
    if (decision?.refused === IN_FLIGHT) return 'in flight'
    held.set(exchange, { delivery, flight: flights.open(delivery.bucket), decision: decision ?? undefined })
    return 'ours'
  })
}

async function wait (parts: Parts, caller: Caller): Promise<Verdict | undefined> {
  const { exchange: { connection }, delivery: { bucket }, patienceMs } = caller
  if (patienceMs === 0 || connection.destroyed || !parts.waiting.enter(bucket)) return STILL_IN_FLIGHT
  try {
    return await waitInside(parts, caller)
  } finally {
    parts.waiting.leave(bucket)
  }
}

async function waitInside (parts: Parts, caller: Caller): Promise<Verdict | undefined> {
  const { flights, askEveryMs } = parts
  const { exchange: { connection }, delivery: { bucket }, patienceMs } = caller
  const endsAt = performance.now() + patienceMs
  for (let leftMs = patienceMs; leftMs > 0 && !connection.destroyed; leftMs = endsAt - performance.now()) {
    const flight = flights.find(bucket)
    const pauseMs = Math.min(leftMs, flight === undefined ? askEveryMs : LONGEST_MS)
    if (await landingOf(flight, connection, pauseMs) === true) return DELIVERED
    // Nobody else can know better than we do what is in flight here.
    if (flights.find(bucket) !== undefined || connection.destroyed) continue
    const standing = await ask(parts, caller)
    if (standing !== 'in flight') return verdictOf(standing)
  }
  return STILL_IN_FLIGHT
}

/**
 * The end of a delivery's time in the air. The place is freed after it is known that the delivery was made, so that
 * nobody slips in between; one that has run out may be somebody else's by now, and stays his.
 */
function land ({ held, flights, store, clock, onStoreError }: Parts, exchange: Exchange, isDelivered: boolean): void {
  const place = held.get(exchange)
  if (place === undefined) return
  held.delete(exchange)
  const { delivery, flight, decision } = place
  const mark = () => isDelivered ? store.charge(knownCharge(delivery, clock())) : undefined
  const free = () => decision && settleState(decision, IN_FLIGHT, { store, clock, to: 0 })
  runAside(() => chain(rescue(mark, onStoreError), () =>
    chain(rescue(free, onStoreError), () => { flights.end(flight, isDelivered) })), onStoreError)
}

function verdictOf (standing: Exclude<Standing, 'in flight'>): Verdict | undefined {
  return standing === 'delivered' ? DELIVERED : undefined
}
