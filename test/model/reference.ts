/**
 * The product's rules on requests, counts, scores, bans and leases in the plainest form: everything is remembered and
 * every question looks at all of it. Written from the contracts, not from the stores.
 */
import type { SlotRequest, TakeRequest } from '../../src/concurrency/contract.js'
import { observedId, type DecisionRequest, type Hit } from '../../src/limits/contract.js'
import type { Booking } from '../../src/verdict/verdict.js'
import type { Breach } from '../../src/violations/contract.js'
import { createReferenceStore } from '../concurrency/reference-store.js'
import { byId, leaseRow } from './sight.js'
import type { Actor, Answer, Caller, Deed, Holder, Moment, Standing, Taken, Verdict } from './deeds.js'
import { createNaiveBans, type NaiveBans } from './reference-bans.js'
import { createNaiveScores, type NaiveScores } from './reference-scores.js'
import { createNaiveBuckets, type NaiveBuckets } from './reference-windows.js'

const DAY = 24 * 3_600_000

export interface Reference extends Actor {
  /** Instants, past and coming, at which something runs out or comes back. */
  edges (): readonly number[]
}

export function createReference (): Reference {
  return new NaiveGateway()
}

type DeedOf<Kind extends Deed['kind']> = Extract<Deed, { kind: Kind }>

class NaiveGateway implements Reference {
  readonly name = 'reference'
  readonly #buckets: NaiveBuckets = createNaiveBuckets()
  readonly #scores: NaiveScores = createNaiveScores()
  readonly #bans: NaiveBans = createNaiveBans((user, since) => this.#scores.isClean(user, since))
  readonly #leases = createReferenceStore()
  readonly #edges: number[] = []

  readonly perform = async (deed: Deed, { now }: Moment) => {
    const answer = await this.#do(deed, now)
    const bans = this.#bans.inForce(now)
    this.#edges.push(...Object.values(bans).flatMap((end) => end ?? []))
    return { answer, bans }
  }

  edges (): readonly number[] {
    return [...this.#edges, ...this.#scores.ends()]
  }

  async #do (deed: Deed, now: number): Promise<Answer> {
    switch (deed.kind) {
      case 'ask': return await this.#ask(deed, now)
      case 'take': return await this.#takeAlone(deed, now)
      case 'book': return { booking: this.#follow(deed.caller, deed.request.breach, this.#scores.book(deed.request), now) }
      case 'again': return { booking: this.#scores.book(deed.request) }
      case 'charge':
        for (const charge of deed.charges) this.#buckets.take(charge)
        return {}
      case 'refund':
        for (const charge of deed.charges) this.#buckets.giveBack(charge)
        return {}
      case 'renew':
        await this.#leases.renew(deed.lease, deed.leaseMs, now)
        this.#edges.push(now + deed.leaseMs)
        return {}
      case 'release':
        await this.#leases.release(deed.lease)
        return {}
      case 'bind': return { isRepetition: await this.#leases.bind(deed.binding) !== undefined }
      case 'ban':
        this.#bans.placeByOperator(deed.subject, deed.expiresAt, now)
        return {}
      case 'lift': return { lifted: this.#lift(deed, now) }
      case 'reset':
        this.#scores.reset(deed.subject, deed.type)
        return {}
      case 'look': return { sight: await this.#look(deed, now) }
    }
  }

  async #ask ({ caller, request }: DeedOf<'ask'>, now: number): Promise<Answer> {
    const turnedAway = this.#bans.find(caller, now)
    if (turnedAway !== undefined) return { turnedAway }
    this.#bans.see(caller, now)
    const verdict = await this.#decide(request)
    const breach = request.hits[verdict.refused]?.breach
    this.#follow(caller, breach, verdict.booking, now)
    request.slots.forEach((slot, index) => this.#follow(caller, slot.breach, verdict.slots[index]?.booking, now))
    return { verdict }
  }

  async #decide (request: DecisionRequest): Promise<Verdict> {
    const { id, hits, now } = request
    const states: Standing[] = []
    const observed: Verdict['observed'][number][] = []
    let refused = -1
    let booking: Booking | undefined
    for (const [index, hit] of hits.entries()) {
      const isFull = this.#buckets.standing({ ...hit, now }).remaining < hit.cost
      const isTaken = refused < 0 && !isFull && !hit.peek
      if (isTaken) this.#buckets.take({ ...hit, now })
      states.push(this.#standing(hit, isTaken, now))
      if (!isFull || refused >= 0) continue
      const booked = this.#book(hit.limiter.observe ? observedId(id, index) : id, hit.breach, now)
      if (hit.limiter.observe) observed.push({ hit: index, booking: booked })
      else [refused, booking] = [index, booked]
    }
    return { at: now, refused, states, booking, observed, slots: refused < 0 ? await this.#takeAll(request) : [] }
  }

  #standing (hit: Hit, isTaken: boolean, now: number): Standing {
    const standing = this.#buckets.standing({ ...hit, now })
    this.#edges.push(standing.resetAt, standing.retryAt)
    return { charged: isTaken ? hit.cost : 0, ...standing }
  }

  async #takeAll ({ id, slots, now }: DecisionRequest): Promise<readonly Taken[]> {
    const results: Taken[] = []
    for (const slot of slots) {
      results.push(await this.#take({ ...slot, id, now }))
      if (results.at(-1)?.granted === false) break
    }
    return results
  }

  async #takeAlone ({ caller, request }: DeedOf<'take'>, now: number): Promise<Answer> {
    const taken = await this.#take(request)
    this.#follow(caller, request.breach, taken.booking, now)
    return { taken }
  }

  async #take (request: TakeRequest): Promise<Taken> {
    const { granted, held, repeated } = await this.#leases.take(request)
    if (granted) this.#edges.push(request.now + request.leaseMs)
    const isRefused = !granted && !repeated
    const booking = isRefused ? this.#book(request.id, request.breach, request.now) : undefined
    return { granted, held, repeated, booking }
  }

  #book (id: string, breach: SlotRequest['breach'], now: number): Booking | undefined {
    return breach === undefined ? undefined : this.#scores.book({ id, breach, now })
  }

  #follow (caller: Caller, breach: Breach | undefined, booking: Booking, now: number): Booking
  #follow (caller: Caller, breach: Breach | undefined, booking: Booking | undefined, now: number): Booking | undefined
  #follow (caller: Caller, breach: Breach | undefined, booking: Booking | undefined, now: number) {
    const isCrossing = breach !== undefined && booking?.crossed === true && !breach.shadow
    if (isCrossing) this.#bans.follow({ caller, breach, booking }, now)
    return booking
  }

  #lift ({ subject, linked, keepScore }: DeedOf<'lift'>, now: number): readonly string[] {
    const lifted = this.#bans.lift(subject, linked, now)
    if (!keepScore) for (const one of lifted) this.#scores.reset(one, undefined)
    return [...lifted].sort()
  }

  async #look ({ subjects, holders }: DeedOf<'look'>, now: number) {
    return {
      scores: this.#scores.list(subjects, now).toSorted(byId(({ subject, type }) => `${subject} ${type}`)),
      clean: subjects.filter((subject) => this.#scores.isClean(subject, now - DAY)),
      leases: await Promise.all(holders.map((holder) => this.#held(holder, now))),
    }
  }

  async #held ({ holder, rule }: Holder, now: number) {
    const { records } = await this.#leases.list(holder, rule, now)
    return records.map(leaseRow).toSorted(byId(([id]) => String(id)))
  }
}
