/** The product's own rooms over the stores of one instance, as far as sequences concern them. */
import { createAccess, createBanCheck, createBanPlacer } from '../../src/bans/bans.js'
import type { AddressUsers, BanBook } from '../../src/bans/contract.js'
import type { Clock } from '../../src/clock.js'
import type { LeaseStore, TakeResult } from '../../src/concurrency/contract.js'
import type { Exchange } from '../../src/exchange.js'
import type { CounterStore, Decision } from '../../src/limits/contract.js'
import type { Booking } from '../../src/verdict/verdict.js'
import type { Breach, ScoreStore } from '../../src/violations/contract.js'
import { createViolations } from '../../src/violations/violations.js'
import { accessRules, exchangeOf, identityOf, policyOf } from '../bans/exchange-rig.js'
import { testLog } from '../helpers/product.js'
import {
  BAN_MS, INTERVAL, SHARED_BY, SHARED_WITHIN_MS, type Answer, type Bans, type Caller, type Deed, type Holder,
  type Outcome, type Taken, type Verdict,
} from './deeds.js'
import { byId, leaseRow } from './sight.js'

const DAY = 24 * 3_600_000
const POLICY = policyOf({
  enabled: true,
  durationMs: BAN_MS,
  interval: INTERVAL,
  scoreAnonymous: true,
  importFromBackend: false,
  address: { enabled: true, sharedBy: SHARED_BY, withinMs: SHARED_WITHIN_MS },
})
/** Who sends it, and when, is filled in. */
const EXCHANGE = exchangeOf({}, { policy: POLICY })
const RULE = { rule: 'model' }

export interface RoomStores {
  readonly counters: CounterStore
  readonly scores: ScoreStore
  readonly leases: LeaseStore
  readonly book: BanBook
  readonly users: AddressUsers
  readonly clock: Clock
}

export interface Rooms {
  perform (deed: Deed, subjects: readonly string[]): Promise<Outcome>
  /** Bans in force of these subjects. */
  bansOf (subjects: readonly string[]): Bans
}

export function createRooms (stores: RoomStores): Rooms {
  return new Instance(stores)
}

type DeedOf<Kind extends Deed['kind']> = Extract<Deed, { kind: Kind }>

class Instance implements Rooms {
  readonly #stores: RoomStores
  readonly #banCheck: ReturnType<typeof createBanCheck>
  readonly #violations: ReturnType<typeof createViolations>

  constructor (stores: RoomStores) {
    const { book, users, scores, clock } = stores
    const log = testLog()
    this.#stores = stores
    this.#banCheck = createBanCheck({ book, users, access: createAccess(accessRules({})), automatic: true })
    const bans = createBanPlacer({ book, users, scores, log })
    this.#violations = createViolations({ scores, clock, log, bans, journal: { append: () => {} }, newId: String })
  }

  async perform (deed: Deed, subjects: readonly string[]): Promise<Outcome> {
    return { answer: await this.#do(deed), bans: this.bansOf(subjects) }
  }

  bansOf (subjects: readonly string[]): Bans {
    return Object.fromEntries(subjects.flatMap((subject) => {
      const ban = this.#stores.book.get(subject)
      return ban === undefined ? [] : [[subject, ban.expiresAt]]
    }))
  }

  async #do (deed: Deed): Promise<Answer> {
    const { counters, scores, leases, clock } = this.#stores
    switch (deed.kind) {
      case 'ask': return await this.#ask(deed)
      case 'take': {
        const result = await leases.take(deed.request)
        await this.#settle(this.#exchangeOf(deed.caller), deed.request.breach, result.booking)
        return { taken: takenOf(result) }
      }
      case 'book': {
        const booking = await scores.book(deed.request)
        await this.#settle(this.#exchangeOf(deed.caller), deed.request.breach, booking)
        return { booking }
      }
      case 'again': return { booking: await scores.book(deed.request) }
      case 'charge':
      case 'refund':
        for (const charge of deed.charges) await counters[deed.kind](charge)
        return {}
      case 'renew':
        await leases.renew(deed.lease, deed.leaseMs, clock())
        return {}
      case 'release':
        await leases.release(deed.lease)
        return {}
      case 'bind': return { isRepetition: await leases.bind(deed.binding) !== undefined }
      case 'ban':
        await this.#placeByOperator(deed)
        return {}
      case 'lift': return { lifted: await this.#lift(deed) }
      case 'reset':
        await scores.reset(deed.subject, deed.type)
        return {}
      case 'look': return { sight: await this.#look(deed) }
    }
  }

  async #ask ({ caller, request }: DeedOf<'ask'>): Promise<Answer> {
    const exchange = this.#exchangeOf(caller)
    const turnedAway = await this.#banCheck(exchange)
    if (turnedAway?.kind === 'ban') return { turnedAway: turnedAway.subject }
    const decision = await this.#stores.counters.decide(request)
    await this.#settle(exchange, request.hits[decision.refused]?.breach, decision.booking)
    for (const { hit, booking } of decision.observed) await this.#settle(exchange, request.hits[hit]?.breach, booking)
    for (const [index, slot] of decision.slots.entries()) {
      await this.#settle(exchange, request.slots[index]?.breach, slot.booking)
    }
    return { verdict: verdictOf(decision) }
  }

  async #settle (exchange: Exchange, breach: Breach | undefined, booking: Booking | undefined): Promise<void> {
    if (breach === undefined || booking === undefined) return
    await this.#violations.settle(exchange, RULE, { breach, booking })
  }

  async #placeByOperator ({ subject, expiresAt }: DeedOf<'ban'>): Promise<void> {
    const { book, clock } = this.#stores
    const createdAt = clock()
    await book.place([{ subject, violation: 'manual', score: 0, createdAt, expiresAt, source: 'admin', linked: [] }])
  }

  /** As the operator's API does it. */
  async #lift ({ subject, linked, keepScore }: DeedOf<'lift'>): Promise<readonly string[]> {
    const { book, scores } = this.#stores
    const lifted = await book.lift(subject, { linked, by: 'model' })
    if (!keepScore) for (const one of lifted) await scores.reset(one)
    return [...lifted].sort()
  }

  async #look ({ subjects, holders }: DeedOf<'look'>) {
    const { scores, clock } = this.#stores
    const records = await Promise.all(subjects.map(async (subject) => scores.list(subject)))
    return {
      scores: records.flat().toSorted(byId(({ subject, type }) => `${subject} ${type}`)),
      clean: await scores.cleanSince(subjects, clock() - DAY),
      leases: await Promise.all(holders.map((holder) => this.#held(holder))),
    }
  }

  async #held ({ holder, rule }: Holder) {
    const { leases, clock } = this.#stores
    const { records } = await leases.list(holder, rule, clock())
    return records.map(leaseRow).toSorted(byId(([id]) => String(id)))
  }

  #exchangeOf ({ user, address }: Caller): Exchange {
    const users = user === undefined ? [] : [user]
    return { ...EXCHANGE, identity: identityOf({ users, address }), receivedAt: this.#stores.clock() }
  }
}

function verdictOf ({ at, refused, states, booking, observed, slots }: Decision): Verdict {
  return {
    at,
    refused,
    states: states.map(({ charged, remaining, resetAt, retryAt }) => ({ charged, remaining, resetAt, retryAt })),
    booking,
    observed: observed.map(({ hit, booking }) => ({ hit, booking })),
    slots: slots.map(takenOf),
  }
}

function takenOf ({ granted, held, repeated, booking }: TakeResult): Taken {
  return { granted, held, repeated, booking }
}
