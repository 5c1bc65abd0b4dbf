import { randomUUID } from 'node:crypto'
import { createAllowCheck, createBanCheck, type Access } from '../bans/bans.js'
import { createBrowserCheck } from '../browser/browser.js'
import type { Concurrency } from '../concurrency/concurrency.js'
import type { Check, ObserveAnswer } from '../exchange.js'
import { observeCountedAnswers, createLimitsCheck } from '../limits/limits.js'
import type { PlanParts, Policy, Requirements } from '../policy/contract.js'
import { observing } from './guard.js'
import type { Rooms } from './rooms.js'

export interface AssemblyOptions {
  readonly policy: Policy
  readonly access: Access
  /** Some identity stands in the body: every check but those of the address waits for it. */
  readonly readsBody: boolean
  readonly concurrency: Concurrency
  readonly rooms: Rooms
}

/** What a request goes through, in the order of CONTRACT §4. */
export function assembleChecks (options: AssemblyOptions): (requirements: Requirements) => PlanParts {
  const banned = banChecks(options)
  return (requirements) => {
    const checks = [
      ...allowChecks(requirements, options),
      ...browserChecks(requirements, options),
      ...limitChecks(requirements, options),
    ]
    const lease = requirements.concurrency.length === 0 ? [] : [options.concurrency.check]
    const identityInBody = options.readsBody && requirements.entries.length > 0
    const needsBody = identityInBody || requirements.concurrency.some((rule) => rule.stream?.repeat !== undefined)
    return {
      headChecks: [...banned, ...identityInBody ? [] : checks, ...needsBody ? [] : lease],
      bodyChecks: [...identityInBody ? [...banned, ...checks] : [], ...needsBody ? lease : []],
      needsBody,
      observers: observers(requirements, options),
    }
  }
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

function browserChecks ({ browser }: Requirements, { policy, rooms }: AssemblyOptions): Check[] {
  if (browser === undefined) return []
  const { violation: type, score } = policy.browser
  const rule = { rule: 'non_browser', type, score, observe: browser.observe, withoutAmnesty: true }
  const check = createBrowserCheck({ level: browser.level, book: (exchange) => rooms.violations.book(exchange, rule) })
  return [browser.observe ? observing(check) : check]
}

function limitChecks ({ limiters }: Requirements, { rooms }: AssemblyOptions): Check[] {
  if (limiters.length === 0) return []
  const { counters: store, violations, clock } = rooms
  return [createLimitsCheck({ limiters, store, violations, clock, newId: randomUUID })]
}

function observers (requirements: Requirements, { concurrency, rooms }: AssemblyOptions): ObserveAnswer[] {
  const { limiters } = requirements
  const counting = limiters.some((limiter) => limiter.countStatus.length > 0)
  return [
    ...counting ? [observeCountedAnswers({ limiters, store: rooms.counters, clock: rooms.clock, log: rooms.log })] : [],
    ...requirements.concurrency.length > 0 ? [concurrency.observeMessage] : [],
    ...requirements.releases.map((release) => concurrency.observeRelease(release)),
  ]
}
