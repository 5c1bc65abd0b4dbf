import { createAccountCheck, createAccountLearner } from '../accounts/accounts.js'
import { createAllowCheck, createBanCheck, type Access } from '../bans/bans.js'
import { createBrowserCheck } from '../browser/browser.js'
import type { Concurrency } from '../concurrency/concurrency.js'
import type { Check, Exchange, ObserveAnswer } from '../exchange.js'
import type { Identifier } from '../identity/contract.js'
import { createForgiveness, type Forgiveness } from '../limits/forgiveness.js'
import { observeCountedAnswers } from '../limits/limits.js'
import { createOutcomeObserver } from '../outcomes/outcomes.js'
import type { MessageRules, PlanParts, Policy, Requirements } from '../policy/contract.js'
import type { Silence } from '../suspensions/check.js'
import { observing } from './guard.js'
import { messageInOneStep, messageInTwoSteps, silenceOf, silenceUnder, type MessageChecks } from './message-checks.js'
import type { Rooms } from './rooms.js'

/** A sign-in, or a body with a token in it, that is larger is none of a person's. */
const LARGEST_SIGN_IN = 16 * 1024

export interface AssemblyOptions {
  readonly policy: Policy
  readonly access: Access
  readonly identifier: Identifier
  readonly concurrency: Concurrency
  readonly rooms: Rooms
  /** Told what a store failed to do. */
  onStoreError (error: Error): void
}

/** What a request goes through, in the order of CONTRACT §4. */
export function assembleChecks (options: AssemblyOptions): (requirements: Requirements) => PlanParts {
  const banned = banChecks(options)
  const silence = silenceUnder(options)
  const lateChecks = options.policy.mode === 'enforce' ? banned : []
  return (requirements) => {
    const { readsBody } = options.identifier.withSources(requirements.identity)
    // Then every check but those of the address waits for the body.
    const identityInBody = readsBody && requirements.entries.length > 0
    const bodyLimit = bodyLimitOf(requirements, options, identityInBody)
    const forgiveness = forgivenessOf(requirements, options)
    const silenced = { ...options, silence }
    const known = knownChecks(requirements, silenced)
    const isReadBetween = requirements.accounts.length > 0 || (bodyLimit > 0 && !identityInBody)
    const { before, behind } = messageChecks(requirements, { ...silenced, forgiveness, isReadBetween })
    return {
      lateChecks,
      bodyLimit,
      observers: observers(requirements, options, forgiveness),
      headChecks: [...banned, ...identityInBody ? [] : [...known, ...before]],
      bodyChecks: [
        ...identityInBody ? [...banned, ...known, ...before] : [],
        ...accountChecks(requirements, options),
        ...behind,
      ],
      frameChecks: requirements.frames === undefined
        ? []
        : [...banned, ...known, ...frameChecks(requirements.frames, silenced)],
    }
  }
}

interface Silenced extends AssemblyOptions {
  /** Undefined: nothing in this policy suspends. */
  readonly silence: Silence | undefined
}

interface Around extends Silenced {
  readonly forgiveness: Forgiveness | undefined
  /** Something is read or asked between the head and the slots. */
  readonly isReadBetween: boolean
}

/** With nothing between them, limiters and slots are one step of the store. */
function messageChecks (rules: MessageRules, { isReadBetween, ...around }: Around): MessageChecks {
  const asked = { ...around, rules, silence: silenceOf(rules, around.silence) }
  return isReadBetween || rules.inspections.length > 0
    ? messageInTwoSteps(asked)
    : { before: messageInOneStep(asked), behind: [] }
}

/** Every frame counts. */
function frameChecks (rules: MessageRules, options: Silenced): Check[] {
  const { before, behind } = messageChecks(rules, { ...options, forgiveness: undefined, isReadBetween: false })
  return [...before, ...behind]
}

/** Who may come at all. */
function knownChecks (requirements: Requirements, { silence, ...options }: Silenced): Check[] {
  const { frames } = requirements
  const own = silenceOf(requirements, silence) ?? (frames && silenceOf(frames, silence))
  return [...allowChecks(requirements, options), ...browserChecks(requirements, options, own)]
}

/** 0: no check wants to see the body. A body that carries messages may be large, one that only signs somebody in not. */
function bodyLimitOf (
  requirements: Requirements, { policy, identifier }: AssemblyOptions, identityInBody: boolean
): number {
  const { accounts, concurrency, inspections } = requirements
  if (inspections.length > 0) return policy.maxInspectedBody
  if (accounts.length > 0) return Math.min(LARGEST_SIGN_IN, policy.maxInspectedBody)
  const holdsMessages = identifier.readsBody || concurrency.some((rule) => rule.stream?.repeat !== undefined)
  if (!identityInBody && !holdsMessages) return 0
  return holdsMessages ? policy.maxInspectedBody : Math.min(LARGEST_SIGN_IN, policy.maxInspectedBody)
}

/** Asked of every request, whatever its route, before anything else. */
function banChecks ({ policy, access, rooms }: AssemblyOptions): Check[] {
  if (policy.mode === 'off') return []
  const check = createBanCheck({
    book: rooms.bans, access, automatic: policy.bans.enabled, users: rooms.addressUsers,
  })
  return [policy.mode === 'observe' ? observing(check) : check]
}

/** Nobody in particular may pass where people must be able to sign in; where a user is required, not. */
function allowChecks ({ authRequired, mode }: Requirements, { policy, access }: AssemblyOptions): Check[] {
  if (mode === 'off' || policy.access.allowUsers.size + policy.access.allowGroups.size === 0) return []
  const check = createAllowCheck(access, { anonymous: authRequired ? 'refuse' : 'pass' })
  return [mode === 'observe' ? observing(check) : check]
}

function browserChecks (
  { browser }: Requirements, { policy, rooms }: AssemblyOptions, silence: Silence | undefined
): Check[] {
  if (browser === undefined) return []
  const { violation: type, score } = policy.browser
  const rule = { rule: 'non_browser', type, score, observe: browser.observe, withoutAmnesty: true }
  const before = browser.observe ? undefined : silence?.check
  const book = (exchange: Exchange) => rooms.violations.book(exchange, rule)
  const check = createBrowserCheck({ level: browser.level, before, book })
  return [browser.observe ? observing(check) : check]
}

function forgivenessOf ({ forgiveMs }: Requirements, { rooms }: AssemblyOptions): Forgiveness | undefined {
  return forgiveMs === 0 ? undefined : createForgiveness(forgiveMs, rooms.clock)
}

/** A banned account is known by its e-mail before its owner has a token. */
function accountChecks ({ accounts, mode }: Requirements, { policy, access, rooms }: AssemblyOptions): Check[] {
  return accounts.map((rule) => {
    const check = createAccountCheck({
      rule, directory: rooms.accounts, book: rooms.bans, access, automatic: policy.bans.enabled,
    })
    return mode === 'observe' ? observing(check) : check
  })
}

function observers (
  requirements: Requirements, options: AssemblyOptions, forgiveness: Forgiveness | undefined
): ObserveAnswer[] {
  const { concurrency, rooms, onStoreError } = options
  const { limiters, outcomes: rules } = requirements
  const { book } = rooms.violations
  const { counters: store, clock } = rooms
  const counting = limiters.some((limiter) => limiter.countStatus.length > 0)
  return [
    ...counting ? [observeCountedAnswers({ limiters, forgiveness, store, clock, onStoreError })] : [],
    ...rules.length > 0 ? [createOutcomeObserver({ rules, book, onError: onStoreError })] : [],
    ...requirements.concurrency.length > 0 ? [concurrency.observeMessage] : [],
    ...requirements.accounts.map((rule) => createAccountLearner(rule, rooms.accounts)),
    ...requirements.releases.map((release) => concurrency.observeRelease(release)),
  ]
}
