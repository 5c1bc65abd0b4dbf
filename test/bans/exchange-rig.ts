import { EventEmitter } from 'node:events'
import type { Exchange } from '../../src/exchange.js'
import type { Identity, VerifiedUser } from '../../src/identity/contract.js'
import { addressSubject } from '../../src/identity/identity.js'
import { compilePolicy } from '../../src/policy/compile.js'
import type { AccessRules, BanPolicy, Policy } from '../../src/policy/contract.js'
import { createPlanner, NO_PARTS } from '../../src/policy/plan.js'
import { T0 } from './ban-rig.js'

export function policyOf (bans: Partial<BanPolicy> = {}): Policy {
  const { policy } = compilePolicy({ preset: 'generic', identity: [] }, (path) => { throw new Error(path.join('.')) })
  return { ...policy, bans: { ...policy.bans, ...bans } }
}

type Lists = 'allowRequired' | 'denyUsers' | 'exemptUsers' | 'allowUsers' | 'allowGroups' | 'denyAddresses' | 'exemptAddresses'

export function accessRules (rules: Partial<Record<Lists, string[]>>): AccessRules {
  return {
    denyUsers: new Set(rules.denyUsers),
    denyAddresses: rules.denyAddresses ?? [],
    exemptUsers: new Set(rules.exemptUsers),
    exemptAddresses: rules.exemptAddresses ?? [],
    exemptSkipsLimits: false,
    exemptUserAgents: [],
    allowUsers: new Set(rules.allowUsers),
    allowGroups: new Set(rules.allowGroups),
    allowRequired: rules.allowRequired !== undefined,
    allowNotice: undefined,
  }
}

export interface Caller {
  readonly users?: readonly (string | VerifiedUser)[]
  readonly address?: string
  readonly bannable?: boolean
  readonly group?: string
}

export function identityOf ({ users = [], address = '198.51.100.1', bannable = true, group }: Caller): Identity {
  const verified = users.map((user) => typeof user === 'string' ? { id: user } : user)
  return {
    client: {
      address, subject: addressSubject(address, 64) ?? '', bannable, fromTrustedProxy: false, proto: 'http', host: undefined,
    },
    user: verified[0],
    users: verified,
    group,
  }
}

export function exchangeOf (caller: Caller, more: Partial<Exchange> = {}): Exchange {
  const policy = more.policy ?? policyOf()
  return {
    id: 'request-1',
    receivedAt: T0,
    method: 'GET',
    target: { raw: '/', path: '/', query: '', authority: undefined },
    headers: {},
    rawHeaders: [],
    upgrade: false,
    connection: Object.assign(new EventEmitter(), { destroyed: false }),
    policy,
    plan: createPlanner(policy, () => NO_PARTS).planOf([]),
    identity: identityOf(caller),
    exempt: false,
    params: {},
    body: undefined,
    json: undefined,
    form: undefined,
    fields: undefined,
    model: '',
    decision: undefined,
    observed: [],
    isTrigger: true,
    change: undefined,
    ...more,
  }
}
