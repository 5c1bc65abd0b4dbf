/** Turns the commands of a sequence into deeds. What it must know of earlier ones it learns from the reference's answers. */
import type { Lease, SlotRequest } from '../../src/concurrency/contract.js'
import type { Charge, DecisionRequest, Hit } from '../../src/limits/contract.js'
import type { BookRequest, Breach } from '../../src/violations/contract.js'
import { breachOf, createCast, groupBySubject, subjectOf, type Cast } from './cast.js'
import type { Command, Rule, Slot } from './commands.js'
import type { Answer, Caller, Deed, Verdict } from './deeds.js'

const SLOT_RULES = { caller: 'narrow', address: 'wide' }

export interface ScriptOptions {
  readonly rules: readonly Rule[]
  /** Names whatever there is, so that no other sequence meets it. */
  readonly run: string
  /** Hits of one subject follow each other, as a Cluster asks; else they come in any order. */
  readonly bySubject: boolean
}

type CommandOf<Kind extends Command['kind']> = Extract<Command, { kind: Kind }>

export class Script {
  readonly #cast: Cast
  readonly #run: string
  readonly #bySubject: boolean
  readonly #leases: Lease[] = []
  readonly #booked: BookRequest[] = []
  readonly #charged: (readonly Charge[])[] = []
  #ids = 0

  constructor ({ rules, run, bySubject }: ScriptOptions) {
    this.#cast = createCast(run, rules)
    this.#run = run
    this.#bySubject = bySubject
  }

  get subjects (): readonly string[] {
    return this.#cast.subjects
  }

  /** undefined: there is nothing that it could be done to, or it is a matter of time alone. */
  deedOf (command: Command, now: number): Deed | undefined {
    switch (command.kind) {
      case 'ask': return this.#ask(command, now)
      case 'take': return this.#take(command, now)
      case 'book': return this.#book(command, now)
      case 'again': return this.#withLatest(this.#booked, command, (request) => ({ kind: 'again', request: { ...request, now } }))
      case 'charge': return this.#charge(command, now)
      case 'refund': return this.#refund(command, now)
      case 'renew':
        return this.#withLatest(this.#leases, command, (lease) => ({ kind: 'renew', lease, leaseMs: command.leaseMs }))
      case 'release': return this.#withLatest(this.#leases, command, (lease) => ({ kind: 'release', lease }))
      case 'bind': {
        const { stream, repeatKey } = command
        return this.#withLatest(this.#leases, command, (lease) => ({ kind: 'bind', binding: { lease, stream, repeatKey, now } }))
      }
      case 'ban': {
        const { durationMs } = command
        return { kind: 'ban', subject: this.#subject(command), expiresAt: durationMs === null ? null : now + durationMs }
      }
      case 'lift':
      case 'reset': return { ...command, subject: this.#subject(command) }
      case 'look': return this.look()
      case 'wait':
      case 'wait for': return undefined
    }
  }

  /** Learns what the deed came to. */
  note (deed: Deed, { verdict, taken, booking }: Answer): void {
    if (deed.kind === 'ask' && verdict !== undefined) this.#noteVerdict(deed.request, verdict)
    if (deed.kind === 'take' && taken?.booking !== undefined) this.#noteBooked(deed.request, deed.request.breach)
    if (deed.kind === 'book' && booking !== undefined) this.#booked.push(deed.request)
  }

  /** At everything. */
  look (): Deed {
    const holders = this.subjects.flatMap((holder) => Object.values(SLOT_RULES).map((rule) => ({ holder, rule })))
    return { kind: 'look', subjects: this.subjects, holders }
  }

  #ask ({ who, rules, cost, price, slots: wanted }: CommandOf<'ask'>, now: number): Deed {
    const caller = this.#cast.caller(who)
    const asked = rules.flatMap((rule) => this.#cast.hit(caller, { rule, cost, price }) ?? [])
    const slots = wanted.map((slot) => this.#slot(caller, slot, now))
    const last = slots[0]?.lease.holder ?? subjectOf(caller)
    const hits = this.#bySubject ? groupBySubject(asked, last) : asked
    return { kind: 'ask', caller, request: { id: this.#newId(), hits, slots, now } }
  }

  #take ({ who, slot }: CommandOf<'take'>, now: number): Deed {
    const caller = this.#cast.caller(who)
    return { kind: 'take', caller, request: { ...this.#slot(caller, slot, now), id: this.#newId(), now } }
  }

  #book ({ who, price, shadow }: CommandOf<'book'>, now: number): Deed {
    const caller = this.#cast.caller(who)
    return { kind: 'book', caller, request: { id: this.#newId(), breach: breachOf(caller, price, shadow), now } }
  }

  #charge ({ who, pick, cost }: CommandOf<'charge'>, now: number): Deed | undefined {
    const { counting } = this.#cast
    const rule = counting[pick % counting.length]
    const hit = rule === undefined
      ? undefined
      : this.#cast.hit(this.#cast.caller(who), { rule, cost, price: undefined })
    return hit && { kind: 'charge', charges: [chargeOf(hit, hit.cost, now)] }
  }

  /** Each request is taken back at most once. */
  #refund ({ pick }: { readonly pick: number }, now: number): Deed | undefined {
    const charges = this.#charged.at(-1 - pick)
    if (charges === undefined) return undefined
    this.#charged.splice(this.#charged.indexOf(charges), 1)
    return { kind: 'refund', charges: charges.map((charge) => ({ ...charge, now })) }
  }

  #slot (caller: Caller, slot: Slot, now: number): SlotRequest {
    const { of, max, leaseMs, repeats, price, observe } = slot
    const holder = of === 'caller' ? subjectOf(caller) : caller.ip
    const lease = { id: `lease-${this.#newId()}`, holder, rule: SLOT_RULES[of], takenAt: now }
    this.#leases.push(lease)
    const breach = price === undefined ? undefined : breachOf(caller, price, observe)
    return { lease, max, leaseMs, unlessRepeated: repeats, breach, onFailure: 'local', observe }
  }

  #noteVerdict (request: DecisionRequest, { refused, booking, states, slots }: Verdict): void {
    const { hits, now } = request
    if (booking !== undefined) this.#noteBooked(request, hits[refused]?.breach)
    if (slots.at(-1)?.booking !== undefined) this.#noteBooked(request, request.slots[slots.length - 1]?.breach)
    const charges = states.flatMap(({ charged }, place) =>
      charged === 0 ? [] : [chargeOf(hits[place] as Hit, charged, now)])
    if (charges.length > 0) this.#charged.push(charges)
  }

  #noteBooked ({ id, now }: { readonly id: string, readonly now: number }, breach: Breach | undefined): void {
    if (breach !== undefined) this.#booked.push({ id, breach, now })
  }

  #withLatest<T> (list: readonly T[], { pick }: { readonly pick: number }, toDeed: (one: T) => Deed): Deed | undefined {
    const one = list.at(-1 - pick)
    return one && toDeed(one)
  }

  #subject ({ subject }: { readonly subject: number }): string {
    return this.subjects[subject] as string
  }

  #newId (): string {
    return `${this.#run}-${this.#ids++}`
  }
}

function chargeOf ({ limiter, bucket, subject }: Hit, cost: number, now: number): Charge {
  return { limiter, bucket, subject, cost, now }
}
