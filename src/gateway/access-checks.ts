/** Who may come at all: without being banned, by the allowlist, and with the secret that proves the sender. */
import { randomUUID } from 'node:crypto'
import { createAllowCheck, createBanCheck, type AllowNotice } from '../bans/bans.js'
import type { Check } from '../exchange.js'
import { createWarnings, warningLimiter } from '../limits/limits.js'
import type { Requirements } from '../policy/contract.js'
import type { AssemblyOptions } from './checks.js'
import { observing } from './guard.js'
import { secretChecks } from './secret-check.js'

/** Asked of every request, whatever its route, before anything else. */
export function banChecks ({ policy, access, rooms }: AssemblyOptions): Check[] {
  if (policy.mode === 'off') return []
  const check = createBanCheck({
    book: rooms.bans, access, automatic: policy.bans.enabled, users: rooms.addressUsers,
  })
  return [policy.mode === 'observe' ? observing(check) : check]
}

/** Nobody in particular may pass where people must be able to sign in; where a user is required, not. */
export function allowChecks ({ authRequired, mode }: Requirements, options: AssemblyOptions): Check[] {
  const { access } = options
  if (mode === 'off' || !access.hasAllowlist) return []
  const anonymous = authRequired ? 'refuse' : 'pass'
  // Nobody is told what is not enforced.
  if (mode === 'observe') return [observing(createAllowCheck(access, { anonymous }))]
  return [createAllowCheck(access, { anonymous, notice: noticeOf(options) })]
}

function noticeOf ({ policy, rooms, onStoreError }: AssemblyOptions): AllowNotice | undefined {
  const { allowNotice } = policy.access
  if (allowNotice === undefined) return undefined
  const limiter = warningLimiter('allow', allowNotice.everyMs, false)
  const warnings = createWarnings({ store: rooms.counters, clock: rooms.clock, newId: randomUUID, onStoreError })
  return {
    message: allowNotice.message,
    shouldTell: (subject) => warnings.due(limiter, { bucket: subject, subject }),
  }
}

/** Whoever must prove himself and does not is not heard at all. */
export function senderChecks ({ identity, mode }: Requirements, { policy }: AssemblyOptions): Check[] {
  if (mode === 'off') return []
  const checks = secretChecks([...policy.identity, ...identity])
  return mode === 'observe' ? checks.map(observing) : checks
}
