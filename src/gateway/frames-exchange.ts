import { randomUUID } from 'node:crypto'
import type { Exchange } from '../exchange.js'
import type { Plan } from '../policy/plan-contract.js'
import type { Runtime } from './runtime.js'

/** How a policy stands to this WebSocket. */
export interface Standing {
  readonly runtime: Runtime
  readonly plan: Plan
  readonly params: Exchange['params']
  readonly exempt: boolean
}

/** Who the client is was settled by the handshake; what applies to him is not. */
export function standingOf ({ method, target, identity }: Exchange, runtime: Runtime): Standing {
  const { entries, params } = runtime.table.match(method, target.path) ?? { entries: [], params: {} }
  return { runtime, plan: runtime.planner.planOf(entries), params, exempt: runtime.access.isExempt(identity) }
}

export interface Came {
  readonly data: Buffer
  /** Epoch milliseconds. */
  readonly receivedAt: number
}

/** A message of the client's as an exchange of its own. */
export function exchangeOf (handshake: Exchange, { runtime, plan, params, exempt }: Standing, came: Came): Exchange {
  return {
    ...handshake,
    id: randomUUID(),
    receivedAt: came.receivedAt,
    policy: runtime.policy,
    plan,
    params,
    exempt,
    body: came.data,
    json: undefined,
    form: undefined,
    fields: undefined,
    model: '',
    decision: undefined,
    observed: [],
    isTrigger: true,
    change: undefined,
  }
}
