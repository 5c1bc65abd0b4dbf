/** What entries ask together of a request, and what is made of it. */
import type { AccountRule } from '../accounts/contract.js'
import type { InspectionRule } from '../content/contract.js'
import type { OnceRule } from '../deliveries/contract.js'
import type { DoormanUse } from '../doorman/contract.js'
import type { Check, ObserveAnswer } from '../exchange.js'
import type { IdentitySource } from '../identity/contract.js'
import type { Limiter } from '../limits/contract.js'
import type { OutcomeRule } from '../outcomes/contract.js'
import type { TokenRule } from '../tokens/contract.js'
import type { ConcurrencyRule, DialectName, PolicyMode, ReleaseRule, RouteEntry, TriggerRule } from './contract.js'

/** What one message goes through, be it a request or a frame. */
export interface MessageRules {
  /** Each limiter once; those of entries that only observe are marked so. */
  readonly limiters: readonly Limiter[]
  /** How these read bodies and answers, by each entry that has such; then a body must read the same to the backend. */
  readonly tokens: readonly TokenRule[]
  readonly concurrency: readonly ConcurrencyRule[]
  /**
   * Each content rule once for each place in which the entries look for prompts. Where there are any, a body must read
   * the same to us and to the backend.
   */
  readonly inspections: readonly InspectionRule[]
  /** Where the doorman is asked; a body must read the same to everybody there, too. */
  readonly doorman: readonly DoormanUse[]
  /** All others pass uncounted and unchecked. Undefined: every message is a trigger. */
  readonly when: TriggerRule | undefined
}

/** What the entries of a plan ask together: the strictest of each, every rule once, in matching order. */
export interface Requirements extends MessageRules {
  /** Empty: nothing but the ban check. */
  readonly entries: readonly RouteEntry[]
  readonly mode: PolicyMode
  readonly authRequired: boolean
  /** The routes' own credentials. */
  readonly identity: readonly IdentitySource[]
  readonly browser: { readonly level: 'ua' | 'strict', readonly observe: boolean } | undefined
  /** 0 unless all entries forgive; then the shortest. */
  readonly forgiveMs: number
  readonly outcomes: readonly OutcomeRule[]
  readonly releases: readonly ReleaseRule[]
  readonly accounts: readonly AccountRule[]
  readonly once: OnceRule | undefined
  /** What each frame is asked, by the entries that look at frames; undefined: none does. */
  readonly frames: MessageRules | undefined
  readonly login: boolean
}

/**
 * How strictly a body, or a frame, is read. `loose`: what reads as JSON or as a form, to know a message again. `strict`:
 * what the backend could read otherwise is refused. `sign-in`: the same, and names that backends put together are, too.
 */
export type BodyReading = 'none' | 'loose' | 'strict' | 'sign-in'

/** What the assembly makes of them, in the order of CONTRACT §4. */
export interface PlanParts {
  /** Checks that need only the head of a request. */
  readonly headChecks: readonly Check[]
  /** Checks that need the body, or must come behind those that do. */
  readonly bodyChecks: readonly Check[]
  /** Asked once more at the moment of forwarding, of whoever had to wait: what they forbid may have come meanwhile. */
  readonly lateChecks: readonly Check[]
  /** How the body is read before `bodyChecks`. */
  readonly reading: BodyReading
  /** Up to so many bytes; 0: it is not read. */
  readonly bodyLimit: number
  readonly observers: readonly ObserveAnswer[]
  /** What each frame goes through where frames are messages; empty elsewhere. */
  readonly frameChecks: readonly Check[]
  readonly frameReading: Exclude<BodyReading, 'sign-in'>
}

/** What is done with a request: made once for a combination of entries, shared by all requests that lead there. */
export interface Plan extends Requirements, PlanParts {
  /** Dialect of the entry that brought the rule; the first entry's, or the policy's, for any other. */
  dialectOf (rule: string): DialectName
  /** As metrics and logs name the route: the first entry's `match`, or `unmatched`. */
  readonly label: string
}
