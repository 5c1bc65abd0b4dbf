import type { Test } from 'tap'
import { chargeOf, limiterOf } from '../contract/limiters.js'
import { until } from '../helpers/backends.js'
import type { OnFailure } from '../../src/limits/contract.js'
import { guardStores, type GuardedStores, type GuardOptions, type SharedStores } from '../../src/stores/guarded/guarded-stores.js'
import type { LocalMakers } from '../../src/stores/guarded/local.js'
import type { LateCrossing } from '../../src/stores/guarded/violation-outbox.js'
import { createMemoryCounters } from '../../src/stores/memory/counters.js'
import { createMemoryLeases } from '../../src/stores/memory/leases.js'
import { createScoresInProcess } from '../../src/stores/memory/scores.js'
import { createSuspensionTable } from '../../src/stores/memory/suspension-table.js'
import { collectLog, type LoggedLine } from './open-stores.js'

export const NOW = Date.parse('2026-11-21T12:00:00Z')
const DEADLINE_MS = 40
/** What must come, comes within this time. */
export const RETRY_MS = 5_000
/** Longer than this process is ever too busy to notice a deadline. */
export const SLOW_MS = 1_000
const DAY_MS = 86_400_000

/**
 * well: answers in a later tick; slow: does it, and answers past the deadline; lost: does it, and never answers;
 * hangs: does nothing; fails: rejects; broken: throws.
 */
export type Weather = 'well' | 'slow' | 'lost' | 'hangs' | 'fails' | 'broken'

/** A shared store that behaves as its weather says. */
export interface Faraway {
  weather: Weather
  error: Error
  /** Names of the calls that reached it, `counters.decide`, with what they were asked. */
  readonly calls: [name: string, ...args: unknown[]][]
  readonly stores: SharedStores
}

export function localMakers (clock: () => number): LocalMakers {
  return {
    scores: () => createScoresInProcess({ clock, retentionMs: 90 * DAY_MS }),
    leases: (scores) => createMemoryLeases({ scores }),
    counters: (scores, leases) => createMemoryCounters({ scores, leases }),
    suspensions: () => createSuspensionTable({ retentionMs: 90 * DAY_MS }),
  }
}

export function createFaraway (clock: () => number): Faraway {
  const make = localMakers(clock)
  const scores = make.scores()
  const leases = make.leases(scores)
  const suspensions = make.suspensions()
  const counters = createMemoryCounters({ scores, leases, suspensions })
  const calls: Faraway['calls'] = []
  const faraway: Pick<Faraway, 'weather' | 'error'> = { weather: 'well', error: new Error('READONLY You cannot write') }

  /** The store's method, with the distance and the weather between. */
  function travel<A extends unknown[], R> (name: string, act: (...args: A) => R | Promise<R>) {
    return (...args: A): Promise<R> => {
      const { weather } = faraway
      calls.push([name, ...args])
      if (weather === 'broken') throw faraway.error
      return (async () => {
        await new Promise((resolve) => setImmediate(resolve))
        if (weather === 'fails') throw faraway.error
        if (weather === 'hangs') await new Promise(() => {})
        const answer = await act(...args)
        if (weather === 'lost') await new Promise(() => {})
        if (weather === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
        return answer
      })()
    }
  }

  return Object.assign(faraway, {
    calls,
    stores: {
      counters: {
        decide: travel('counters.decide', counters.decide),
        charge: travel('counters.charge', counters.charge),
        refund: travel('counters.refund', counters.refund),
      },
      scores: {
        book: travel('scores.book', scores.book),
        list: travel('scores.list', scores.list),
        cleanSince: travel('scores.cleanSince', scores.cleanSince),
        reset: travel('scores.reset', scores.reset),
      },
      leases: {
        take: travel('leases.take', leases.take),
        renew: travel('leases.renew', leases.renew),
        release: travel('leases.release', leases.release),
        bind: travel('leases.bind', leases.bind),
        list: travel('leases.list', leases.list),
      },
      suspensions: {
        find: travel('suspensions.find', suspensions.find),
        suspend: travel('suspensions.suspend', suspensions.suspend),
        note: travel('suspensions.note', suspensions.note),
        get: travel('suspensions.get', suspensions.get),
        lift: travel('suspensions.lift', suspensions.lift),
        forget: travel('suspensions.forget', suspensions.forget),
      },
    },
  })
}

export interface GuardRig extends GuardedStores {
  readonly faraway: Faraway
  readonly lines: readonly LoggedLine[]
  readonly degraded: OnFailure[]
  readonly deadlines: () => number
  readonly probes: () => number
  readonly crossings: LateCrossing[]
  connect (isConnected: boolean): void
  /** Moves the clock. */
  advance (ms: number): void
}

/** Guarded stores over a store in this process that can be made to fail; quick, so that tests need not wait. */
export function openGuarded (t: Test, part: Partial<GuardOptions> = {}): GuardRig {
  let now = NOW
  const clock = part.clock ?? (() => now)
  const faraway = createFaraway(clock)
  const { lines, log } = collectLog()
  const degraded: OnFailure[] = []
  const crossings: LateCrossing[] = []
  let deadlines = 0
  let probes = 0
  let tellConnection: (isConnected: boolean) => void = () => {}
  const guarded = guardStores({
    remote: faraway.stores,
    local: localMakers(clock),
    connection: { isConnected: true, onConnection: (listener) => { tellConnection = listener } },
    probe: async () => {
      probes++
      if (faraway.weather === 'fails' || faraway.weather === 'broken') throw faraway.error
      if (faraway.weather !== 'well') await new Promise(() => {})
    },
    deadlineMs: DEADLINE_MS,
    metrics: { storeDegraded: (outcome) => { degraded.push(outcome) }, storeDeadline: () => { deadlines++ } },
    clock,
    log,
    random: () => 0.5,
    ...part,
    pace: { minProbeMs: 10, maxProbeMs: 40, pauseMs: 5, patienceMs: 200, ...part.pace },
  })
  guarded.onLateCrossing((crossing) => { crossings.push(crossing) })
  t.teardown(() => guarded.close(0))
  return Object.assign(guarded, {
    faraway,
    lines,
    degraded,
    deadlines: () => deadlines,
    probes: () => probes,
    crossings,
    connect: (isConnected: boolean) => tellConnection(isConnected),
    advance: (ms: number) => { now += ms },
  })
}

/** Makes the store fail until it is no longer asked. */
export async function sendAway (stores: GuardRig, weather: Weather = 'fails'): Promise<void> {
  stores.faraway.weather = weather
  const uncounted = chargeOf(limiterOf('nobody', { onFailure: 'open' }), 'ip:x', NOW)
  for (let i = 0; i < 5; i++) await stores.counters.charge(uncounted)
}

/** Its probe finds out. */
export async function comeBack (stores: GuardRig): Promise<void> {
  stores.faraway.weather = 'well'
  await until(() => !stores.breaker.isOpen, RETRY_MS)
}

/** Violations, releases, suspensions, and what was given up. */
export const waiting = (stores: GuardedStores) => stores.meters.slice(1).map(({ read }) => read())
/** Nothing waits any more. */
export const isTold = (stores: GuardedStores) =>
  until(() => waiting(stores).slice(0, 3).every((length) => length === 0), RETRY_MS)
