import { createAccountCheck, createAccountLearner } from '../accounts/accounts.js'
import type { Access } from '../bans/bans.js'
import { createBrowserCheck } from '../browser/browser.js'
import type { Concurrency } from '../concurrency/concurrency.js'
import type { Check, Exchange, ObserveAnswer } from '../exchange.js'
import type { Identifier } from '../identity/contract.js'
import { createForgiveness, type Forgiveness } from '../limits/forgiveness.js'
import { observeCountedAnswers, type Deliveries } from '../limits/limits.js'
import { createOutcomeObserver } from '../outcomes/outcomes.js'
import type { MessageRules, PlanParts, Policy, Requirements } from '../policy/contract.js'
import type { Silence } from '../suspensions/check.js'
import type { TokenLedger } from '../tokens/tokens.js'
import { allowChecks, banChecks, senderChecks } from './access-checks.js'
import { observing } from './guard.js'
import { doormanChecks } from './doorman-checks.js'
import { judgeBy, ofTriggers, ofTriggersAnswer } from './judge.js'
import { messageInOneStep, messageInTwoSteps, silenceOf, silenceUnder, type MessageChecks } from './message-checks.js'
import type { Rooms } from './rooms.js'

/** A sign-in, or a body with a token in it, that is larger is none of a person's. */
const LARGEST_SIGN_IN = 16 * 1024

export interface AssemblyOptions {
  readonly policy: Policy
  readonly access: Access
  readonly identifier: Identifier
  readonly concurrency: Concurrency
  readonly deliveries: Deliveries
  readonly tokens: TokenLedger
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
    const { when, once } = requirements
    const { readsBody } = options.identifier.withSources(requirements.identity)
    // Then every check but those of sender and address waits for the body.
    const waits = requirements.entries.length > 0 && (readsBody || when !== undefined || once !== undefined)
    const bodyLimit = bodyLimitOf(requirements, options, waits)
    const forgiveness = forgivenessOf(requirements, options)
    const silenced = { ...options, silence }
    const known = [...judgeBy(when), ...knownChecks(requirements, silenced), ...onceChecks(requirements, options)]
    const isReadBetween = requirements.accounts.length > 0 || (bodyLimit > 0 && !waits)
    const { before, behind } = messageChecks(requirements, { ...silenced, forgiveness, isReadBetween })
    return {
      lateChecks,
      bodyLimit,
      observers: observers(requirements, options, forgiveness),
      headChecks: [...senderChecks(requirements, options), ...banned, ...waits ? [] : [...known, ...before]],
      bodyChecks: [
        ...waits ? [...banned, ...known, ...before] : [],
        ...accountChecks(requirements, options),
        ...behind,
      ],
      frameChecks: requirements.frames === undefined
        ? []
        : [
            ...banned, ...judgeBy(requirements.frames.when), ...knownChecks(requirements, silenced),
            ...frameChecks(requirements.frames, silenced),
          ],
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
  const { before, behind } = isReadBetween || rules.inspections.length > 0
    ? messageInTwoSteps(asked)
    : { before: messageInOneStep(asked), behind: [] }
  const last = [...behind, ...doormanChecks(asked)]
  return { before: ofTriggers(rules.when, before), behind: ofTriggers(rules.when, last) }
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
  requirements: Requirements, { policy, identifier }: AssemblyOptions, waits: boolean
): number {
  const { accounts, concurrency, doorman, inspections, tokens, when, once } = requirements
  const isJudged = when !== undefined || once !== undefined
  if (isJudged || inspections.length + tokens.length + doorman.length > 0) return policy.maxInspectedBody
  if (accounts.length > 0) return Math.min(LARGEST_SIGN_IN, policy.maxInspectedBody)
  const holdsMessages = identifier.readsBody || concurrency.some((rule) => rule.stream?.repeat !== undefined)
  if (!waits && !holdsMessages) return 0
  return holdsMessages ? policy.maxInspectedBody : Math.min(LARGEST_SIGN_IN, policy.maxInspectedBody)
}

function onceChecks ({ once }: Requirements, { deliveries }: AssemblyOptions): Check[] {
  return once === undefined ? [] : [deliveries.checkFor(once)]
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
  const { concurrency, deliveries, tokens, rooms, onStoreError } = options
  const { limiters, outcomes: rules, when, once } = requirements
  const { book } = rooms.violations
  const { counters: store, clock } = rooms
  const counted = { limiters, forgiveness, store, clock, onStoreError }
  const counting = limiters.some((limiter) => limiter.countStatus.length > 0)
  return [
    ...counting ? [ofTriggersAnswer(when, observeCountedAnswers(counted))] : [],
    ...once === undefined ? [] : [deliveries.observe],
    ...limiters.some((limiter) => limiter.tokens !== undefined) ? [tokens.observe(requirements.tokens)] : [],
    ...rules.length > 0 ? [createOutcomeObserver({ rules, book, onError: onStoreError })] : [],
    ...requirements.concurrency.length > 0 ? [concurrency.observeMessage] : [],
    ...requirements.accounts.map((rule) => createAccountLearner(rule, rooms.accounts)),
    ...requirements.releases.map((release) => concurrency.observeRelease(release)),
  ]
}
