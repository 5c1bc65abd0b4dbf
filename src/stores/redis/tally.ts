import type { SlotRequest } from '../../concurrency/contract.js'
import { observedId, type Decision, type DecisionRequest, type Hit, type LimiterState } from '../../limits/contract.js'
import type { Booking } from '../../verdict/verdict.js'
import type { Suspension } from '../../suspensions/contract.js'
import { suspendedDecision } from '../../limits/suspended-decision.js'
import type { Breach } from '../../violations/contract.js'
import type { Answer, ChargedStanding, DueBooking, FullHit, SlotAnswer } from './decide-call.js'
import type { Decider } from './decider.js'
import type { Part } from './parts.js'

const NOTHING = { hits: [], slots: [] }

/** A place in the decision that a booking goes to. */
interface Booked { booking: Booking | undefined }

/** A booking whose subject lies on another node than what it follows from. */
interface Owed extends DueBooking { readonly to: Booked }

/** One decision while its parts are asked: puts their answers together, and has booked what one part owes another. */
export class Tally {
  readonly #request: DecisionRequest
  readonly #decider: Decider
  readonly #standings = new Map<number, ChargedStanding>()
  readonly #observed: (Booked & { readonly hit: number })[] = []
  readonly #slots: (Booked & SlotAnswer & { readonly unavailable: false })[] = []
  readonly #refusal: Booked = { booking: undefined }
  #owed: Owed[] = []
  #refused = -1
  #suspension: Suspension | undefined
  #at: number

  constructor (request: DecisionRequest, decider: Decider) {
    this.#request = request
    this.#decider = decider
    this.#at = request.now
  }

  /** The watched subject is suspended, a hit had no room, or a slot was not granted: no further part is asked. */
  get isRefused (): boolean {
    return this.#suspension !== undefined || this.#refused >= 0 || this.#slots.at(-1)?.granted === false
  }

  async ask (part: Part): Promise<void> {
    const answer = await this.#ask(this.#takeOwed(part.subject), part)
    this.#at = answer.at
    this.#suspension = answer.suspension
    if (this.#suspension !== undefined) return
    this.#keepStandings(part, answer)
    for (const full of answer.full) this.#addFull(full)
    answer.slots.forEach((slot, index) => this.#addSlot(part.slots[index] as SlotRequest, slot))
  }

  /**
   * Once no further part is asked: books what is still owed, and looks where the others' hits stand, who were not
   * asked. A call a subject, all at once.
   */
  async conclude (unasked: readonly Part[]): Promise<void> {
    if (this.#suspension !== undefined) return
    const looks = unasked.filter(({ hits }) => hits.length > 0).map((part) => this.#look(part))
    const bySubject = Map.groupBy(this.#owed, ({ breach }) => breach.subject)
    this.#owed = []
    const bookings = [...bySubject.values()].map((due) => this.#ask(due, NOTHING))
    await Promise.all([...looks, ...bookings])
  }

  get decision (): Decision {
    if (this.#suspension !== undefined) return suspendedDecision(this.#suspension, this.#at)
    return {
      at: this.#at,
      states: this.#request.hits.map((_hit, place) => this.#stateOf(place)),
      refused: this.#refused,
      booking: this.#refusal.booking,
      observed: this.#observed.sort((a, b) => a.hit - b.hit),
      slots: this.#slots,
      unavailable: undefined,
    }
  }

  async #look (part: Part): Promise<void> {
    const hits = part.hits.map((hit) => ({ ...hit, peek: true, breach: undefined }))
    this.#keepStandings(part, await this.#ask(this.#takeOwed(part.subject), { hits, slots: [] }))
  }

  #takeOwed (subject: string): readonly Owed[] {
    const taken = this.#owed.filter(({ breach }) => breach.subject === subject)
    if (taken.length > 0) this.#owed = this.#owed.filter((owed) => !taken.includes(owed))
    return taken
  }

  #keepStandings ({ hits }: Part, { standings }: Answer): void {
    hits.forEach(({ place }, index) => this.#standings.set(place, standings[index] as ChargedStanding))
  }

  async #ask (due: readonly Owed[], { hits, slots, watched }: Omit<Part, 'subject'>): Promise<Answer> {
    const { id, now } = this.#request
    const answer = await this.#decider.ask({ id, now, watched, due, hits, slots })
    due.forEach(({ to }, index) => { to.booking = answer.due[index] })
    return answer
  }

  #addFull ({ hit: { limiter, place, subject, breach }, booking }: FullHit): void {
    const { id } = this.#request
    if (limiter.observe) {
      const observed = { hit: place, booking }
      this.#observed.push(observed)
      this.#owe(breach, { id: observedId(id, place), subject, to: observed })
    } else {
      this.#refused = place
      this.#refusal.booking = booking
      this.#owe(breach, { id, subject, to: this.#refusal })
    }
  }

  #addSlot ({ lease, breach }: SlotRequest, answer: SlotAnswer): void {
    const slot = { ...answer, unavailable: false } as const
    this.#slots.push(slot)
    const { id } = this.#request
    if (!slot.granted && !slot.repeated) this.#owe(breach, { id, subject: lease.holder, to: slot })
  }

  #owe (breach: Breach | undefined, { id, subject, to }: { id: string, subject: string, to: Booked }): void {
    if (breach === undefined || this.#decider.lieTogether(breach, subject)) return
    this.#owed.push({ id, breach, ageMs: 0, to })
  }

  #stateOf (place: number): LimiterState {
    const { limiter, bucket, subject } = this.#request.hits[place] as Hit
    return { limiter, bucket, subject, ...this.#standings.get(place) as ChargedStanding }
  }
}
