import { createAccountCheck, createAccountLearner } from '../accounts/accounts.js'
import { createBrowserCheck } from '../browser/browser.js'
import type { Check, Exchange, ObserveAnswer } from '../exchange.js'
import { createForgiveness, type Forgiveness } from '../limits/forgiveness.js'
import { observeCountedAnswers } from '../limits/limits.js'
import { createOutcomeObserver } from '../outcomes/outcomes.js'
import type { MessageRules, PlanParts, Requirements } from '../policy/plan-contract.js'
import type { Silence } from '../suspensions/check.js'
import { allowChecks, banChecks, senderChecks } from './access-checks.js'
import type { AssemblyOptions } from './assembly-options.js'
import { modelChecks, readingsOf } from './body-reading.js'
import { doormanChecks } from './doorman-checks.js'
import { observing } from './guard.js'
import { messageInOneStep, messageInTwoSteps, silenceOf, silenceUnder, type MessageChecks } from './message-checks.js'
import { onlyTriggers, onlyTriggersAnswer, triggerCheck } from './triggers.js'

/** What a request goes through, in the order of CONTRACT §4. */
export function assembleChecks (options: AssemblyOptions): (requirements: Requirements) => PlanParts {
  const banned = banChecks(options)
  const silenced = { ...options, silence: silenceUnder(options) }
  const lateChecks = options.policy.mode === 'enforce' ? banned : []
  return (requirements) => {
    const { waits, ...readings } = readingsOf(requirements, options)
    const forgiveness = forgivenessOf(requirements, options)
    const known = [
      ...triggerCheck(requirements.when), ...knownChecks(requirements, silenced), ...onceChecks(requirements, options),
    ]
    const isReadBetween = requirements.accounts.length > 0 || (readings.reading !== 'none' && !waits)
    const { before, behind } = messageChecks(requirements, { ...silenced, forgiveness, isReadBetween })
    const [early, late] = waits ? [[], [...banned, ...known, ...before]] : [[...known, ...before], []]
    return {
      ...readings,
      lateChecks,
      observers: observers(requirements, options, forgiveness),
      headChecks: [...senderChecks(requirements, options), ...banned, ...early],
      bodyChecks: [...modelChecks(requirements), ...late, ...accountChecks(requirements, options), ...behind],
      frameChecks: frameChecks(requirements, silenced, banned),
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
  return { before: onlyTriggers(rules.when, before), behind: onlyTriggers(rules.when, last) }
}

/** Every frame counts. Empty where frames are no messages. */
function frameChecks (requirements: Requirements, options: Silenced, banned: readonly Check[]): Check[] {
  const { frames } = requirements
  if (frames === undefined) return []
  const { before, behind } = messageChecks(frames, { ...options, forgiveness: undefined, isReadBetween: false })
  return [
    ...banned, ...triggerCheck(frames.when), ...modelChecks(frames), ...knownChecks(requirements, options),
    ...before, ...behind,
  ]
}

/** Who may come, and with what. */
function knownChecks (requirements: Requirements, { silence, ...options }: Silenced): Check[] {
  const { frames } = requirements
  const own = silenceOf(requirements, silence) ?? (frames && silenceOf(frames, silence))
  return [...allowChecks(requirements, options), ...browserChecks(requirements, options, own)]
}

function onceChecks ({ once }: Requirements, { rooms }: AssemblyOptions): Check[] {
  return once === undefined ? [] : [rooms.deliveries.checkFor(once)]
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
  const { limiters, outcomes: rules, when, once } = requirements
  const { book } = rooms.violations
  const { counters: store, clock, deliveries, tokens } = rooms
  const counted = { limiters, forgiveness, store, clock, onStoreError }
  const counting = limiters.some((limiter) => limiter.countStatus.length > 0)
  return [
    ...counting ? [onlyTriggersAnswer(when, observeCountedAnswers(counted))] : [],
    ...once === undefined ? [] : [deliveries.observe],
    ...limiters.some((limiter) => limiter.tokens !== undefined) ? [tokens.observe(requirements.tokens)] : [],
    ...rules.length > 0 ? [createOutcomeObserver({ rules, book, onError: onStoreError })] : [],
    ...requirements.concurrency.length > 0 ? [concurrency.observeMessage] : [],
    ...requirements.accounts.map((rule) => createAccountLearner(rule, rooms.accounts)),
    ...requirements.releases.map((release) => concurrency.observeRelease(release)),
  ]
}
