/** Who may come at all: without being banned, by the allowlist, and with the secret that proves the sender. */
import { randomUUID } from 'node:crypto'
import { createAllowCheck, createBanCheck, type AllowNotice } from '../bans/bans.js'
import type { Check } from '../exchange.js'
import { createWarnings, warningLimiter } from '../limits/limits.js'
import type { Requirements } from '../policy/plan-contract.js'
import { faultVerdict } from '../replies/replies.js'
import type { AssemblyOptions } from './assembly-options.js'
import { observing } from './guard.js'

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
  const limiter = warningLimiter('allow', allowNotice.everyMs)
  const warnings = createWarnings({ store: rooms.counters, clock: rooms.clock, newId: randomUUID, onStoreError })
  return {
    message: allowNotice.message,
    chat: allowNotice.chat,
    shouldTell: (subject) => warnings.due(limiter, { bucket: subject, subject }),
  }
}

/** Whoever must prove that he may speak, and does not, is refused before a byte of what he says. */
export function senderChecks ({ identity, mode }: Requirements, { identifier }: AssemblyOptions): Check[] {
  const { proves } = identifier.withSources(identity)
  if (mode === 'off' || proves === undefined) return []
  const refusal = faultVerdict('WRONG_SECRET')
  const check: Check = (exchange) => proves(exchange) ? undefined : refusal
  return [mode === 'observe' ? observing(check) : check]
}
