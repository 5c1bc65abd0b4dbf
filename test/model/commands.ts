/** What a sequence consists of: random, but for its shape. `script.ts` makes it concrete. */
import fc from 'fast-check'
import type { Algorithm, LimiterKey } from '../../src/limits/contract.js'

export const WINDOWS_MS = [15_000, 60_000]
export const HOUR = 3_600_000
const TTLS_MS = [null, HOUR, 2 * HOUR]
const MAX_COMMANDS = 60
/** At most. A request may name some that a policy with fewer does not have. */
const RULES = 4
/** Of each kind of person and place so many; see `script.ts`. */
export const USERS = 3
export const ADDRESSES = 2

/** A limiter of the policy. */
export interface Rule {
  readonly algorithm: Algorithm
  readonly key: readonly LimiterKey[]
  readonly max: number
  /** A sliding window so large that it is no log any more; costs grow with it. */
  readonly isLarge: boolean
  readonly burst: number
  readonly windowMs: number
  readonly observe: boolean
  /** Counts answers: requests only ask whether there is room. */
  readonly countsAnswers: boolean
  readonly anonymous: 'skip' | 'ip'
}

/** Who sends a request, and from where; no user: nobody has signed in. */
export interface Who {
  readonly user: number | undefined
  readonly address: number
}

/** A violation; none: the refusal is free. */
export interface Price {
  readonly type: string
  readonly score: number
  readonly scope: 'type' | 'total'
  readonly ttlMs: number | null
}

/** One slot: of the person, or of the address whoever asks. */
export interface Slot {
  readonly of: 'caller' | 'address'
  readonly max: number
  readonly leaseMs: number
  readonly repeats: string | undefined
  readonly price: Price | undefined
  readonly observe: boolean
}

/** `pick` counts back from the latest. Suspensions will be one more kind. */
export type Command =
  | { readonly kind: 'ask', readonly who: Who, readonly rules: readonly number[], readonly cost: number, readonly price: Price | undefined, readonly slots: readonly Slot[] }
  | { readonly kind: 'take', readonly who: Who, readonly slot: Slot }
  | { readonly kind: 'book', readonly who: Who, readonly price: Price, readonly shadow: boolean }
  | { readonly kind: 'again', readonly pick: number }
  | { readonly kind: 'charge', readonly who: Who, readonly pick: number, readonly cost: number }
  | { readonly kind: 'refund' | 'release', readonly pick: number }
  | { readonly kind: 'renew', readonly pick: number, readonly leaseMs: number }
  | { readonly kind: 'bind', readonly pick: number, readonly stream: string, readonly repeatKey: string | undefined }
  | { readonly kind: 'ban', readonly subject: number, readonly durationMs: number | null }
  | { readonly kind: 'lift', readonly subject: number, readonly linked: boolean, readonly keepScore: boolean }
  | { readonly kind: 'reset', readonly subject: number, readonly type: string | undefined }
  | { readonly kind: 'look' }
  | { readonly kind: 'wait', readonly ms: number }
  /** Until something runs out, or just before, or just after. */
  | { readonly kind: 'wait for', readonly pick: number, readonly offsetMs: number }

export interface Step {
  readonly command: Command
  /** Which of the instances is asked. */
  readonly instance: 0 | 1
}

export interface Sequence {
  readonly rules: readonly Rule[]
  readonly steps: readonly Step[]
}

const pick = fc.constantFrom(0, 0, 0, 1, 1, 2, 3)
const leaseMs = fc.constantFrom(20_000, 300_000, 300_000)
const repeatKey = fc.constantFrom('r1', 'r1', 'r1', 'r2', undefined)
const type = fc.constantFrom('logins', 'messages')
const subject = fc.oneof(fc.constantFrom(0, USERS), fc.nat(USERS + ADDRESSES - 1))
const mostly = <T>(usual: T, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary })

const rule: fc.Arbitrary<Rule> = fc.record({
  algorithm: fc.constantFrom('fixed-window', 'sliding-window', 'gcra'),
  key: fc.constantFrom<LimiterKey[]>(['user'], ['ip'], ['group'], ['global'], ['ip', 'user']),
  max: mostly(2, fc.integer({ min: 0, max: 5 })),
  isLarge: mostly(false, fc.boolean()),
  burst: fc.integer({ min: 1, max: 6 }),
  windowMs: fc.constantFrom(...WINDOWS_MS),
  observe: mostly(false, fc.constant(true)),
  countsAnswers: mostly(false, fc.constant(true)),
  anonymous: fc.constantFrom('skip', 'ip'),
})
const who: fc.Arbitrary<Who> = fc.record({
  // One of them comes often enough for things to add up.
  user: fc.option(fc.constantFrom(0, 0, 0, 1, 2), { nil: undefined, freq: 5 }),
  address: mostly(0, fc.constant(1)),
})
const price: fc.Arbitrary<Price> = fc.record({
  type,
  score: mostly(1, fc.constantFrom(0, 0.1, 0.5, 4, 7)),
  scope: fc.constantFrom('type', 'total'),
  ttlMs: fc.constantFrom(...TTLS_MS),
})
const maybePrice = fc.option(price, { nil: undefined })
const slot: fc.Arbitrary<Slot> = fc.record({
  of: mostly<Slot['of']>('caller', fc.constant('address')),
  max: fc.constantFrom(0, 1, 2, 2, 3),
  leaseMs,
  repeats: repeatKey,
  price: maybePrice,
  observe: mostly(false, fc.constant(true)),
})
const cost = mostly(1, fc.integer({ min: 1, max: 7 }))

const some = fc.uniqueArray(fc.nat(RULES - 1), { maxLength: 3 })
const slots = fc.uniqueArray(slot, { selector: ({ of }) => of, maxLength: 2 })
const waiting = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 20_000, max: 150_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(HOUR - 1, HOUR, 2 * HOUR, 25 * HOUR) }
)
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 18, arbitrary: fc.record({ kind: fc.constant('ask'), who, rules: some, cost, price: maybePrice, slots }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('take'), who, slot }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('book'), who, price, shadow: mostly(false, fc.constant(true)) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('again'), pick }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('charge'), who, pick, cost }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('refund', 'release'), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew'), pick, leaseMs }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('bind'), pick, stream: fc.constantFrom('s1', 's1', 's1', 's2'), repeatKey }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ban'), subject, durationMs: fc.constantFrom(null, HOUR, 3 * HOUR) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('lift'), subject, linked: mostly(true, fc.constant(false)), keepScore: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset'), subject, type: fc.option(type, { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('look') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait'), ms: waiting }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait for'), pick: fc.constantFrom(0, 0, 1, 2, 4, 8), offsetMs: fc.constantFrom(-1, 0, 1) }) }
)

export const sequence: fc.Arbitrary<Sequence> = fc.record({
  rules: fc.array(rule, { minLength: RULES - 1, maxLength: RULES }),
  steps: fc.array(fc.record({ command, instance: fc.constantFrom(0, 1) }), { maxLength: MAX_COMMANDS, size: 'max' }),
})
