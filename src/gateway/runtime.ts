import { randomUUID } from 'node:crypto'
import { createAccess, type Access } from '../bans/bans.js'
import { createConcurrency, type Concurrency } from '../concurrency/concurrency.js'
import type { Identifier } from '../identity/contract.js'
import { createIdentifier } from '../identity/identity.js'
import { createRefund } from '../limits/limits.js'
import type { Policy } from '../policy/contract.js'
import { createPlanner, type Planner } from '../policy/plan.js'
import { createRouteTable, type RouteTable } from '../policy/route-table.js'
import { createFailureReport } from '../store-failure.js'
import type { Forwarder } from '../upstream/contract.js'
import { createForwarder, outboundRules, type OutboundRules } from '../upstream/upstream.js'
import { askActive } from './ask-active.js'
import { assembleChecks } from './checks.js'
import { createHeld, type Held } from './held.js'
import type { Rooms } from './rooms.js'

/** Everything that is made from a policy. A reload makes a new one and swaps the reference; requests keep theirs. */
export interface Runtime {
  readonly policy: Policy
  readonly table: RouteTable
  readonly planner: Planner
  /** For what counts on every route; `withSources(plan.identity)` for a request. */
  readonly identifier: Identifier
  readonly access: Access
  readonly concurrency: Concurrency
  readonly held: Held
  readonly forwarder: Forwarder
  readonly outbound: OutboundRules
}

/** @param previous the runtime that is replaced: its connections to an unchanged backend are kept. */
export function createRuntime (policy: Policy, rooms: Rooms, previous?: Runtime): Runtime {
  const { clock, log } = rooms
  const { client, identity: sources } = policy
  const identifier = keptIdentifier(policy, previous) ??
    createIdentifier({ client, sources, clock, log, keys: rooms.knownKeys, aliases: rooms.aliases })
  const access = createAccess(policy.access)
  const forwarder = keptForwarder(policy, previous) ?? createForwarder(policy.upstream, rooms)
  const outbound = outboundRules(policy.upstream, policy.client.methodOverride)
  const onStoreError = createFailureReport(log, clock)
  const concurrency = concurrencyOf(rooms, { forwarder, outbound }, onStoreError)
  const assemble = assembleChecks({ policy, access, identifier, concurrency, rooms, onStoreError })
  return {
    policy,
    table: createRouteTable(policy.routes),
    planner: createPlanner(policy, assemble),
    identifier,
    access,
    concurrency,
    held: createHeld({ ...rooms, concurrency }),
    forwarder,
    outbound,
  }
}

interface Backend {
  readonly forwarder: Forwarder
  readonly outbound: OutboundRules
}

function concurrencyOf (rooms: Rooms, backend: Backend, onStoreError: (error: Error) => void): Concurrency {
  const { clock, violations, counters, tokens } = rooms
  const refund = createRefund({ store: counters, clock, onStoreError })
  return createConcurrency({
    store: rooms.leases,
    clock,
    newId: randomUUID,
    refund: (exchange) => {
      refund(exchange)
      tokens.giveBack(exchange)
    },
    askActive: (exchange, path) => askActive(exchange, path, backend),
    violations,
    onError: onStoreError,
  })
}

/** Keeps the key sets that it has fetched and the tokens that it has verified. */
function keptIdentifier (policy: Policy, previous: Runtime | undefined): Identifier | undefined {
  if (previous === undefined) return undefined
  const same = isSame(previous.policy.identity, policy.identity) && isSame(previous.policy.client, policy.client)
  return same ? previous.identifier : undefined
}

function keptForwarder (policy: Policy, previous: Runtime | undefined): Forwarder | undefined {
  return previous !== undefined && isSame(previous.policy.upstream, policy.upstream) ? previous.forwarder : undefined
}

function isSame (left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}
