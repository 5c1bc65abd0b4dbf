/** The gateway with all the rooms that a request walks through. */
import { randomUUID } from 'node:crypto'
import type { AccountDirectory } from '../accounts/contract.js'
import { createBanPlacer } from '../bans/bans.js'
import type { Clock } from '../clock.js'
import { createDeliveries } from '../deliveries/deliveries.js'
import { createGateway, type Gateway } from '../gateway/gateway.js'
import { createOpenExchanges } from '../gateway/open-exchanges.js'
import { createRefusalLog } from '../gateway/refusal-log.js'
import type { Rooms } from '../gateway/rooms.js'
import { createAliasBook, createKnownKeys } from '../identity/identity.js'
import { createRefund } from '../limits/limits.js'
import type { Log } from '../log.js'
import type { Policy } from '../policy/contract.js'
import { createFailureReport } from '../store-failure.js'
import { createTokenLedger } from '../tokens/tokens.js'
import type { Journal } from '../violations/contract.js'
import { createViolations } from '../violations/violations.js'
import { drain } from './drain.js'
import type { Foundation } from './foundation.js'
import { openDoorman } from './open-doorman.js'
import { createLateBans } from './late-bans.js'

export interface PublicSideOptions {
  readonly policy: Policy
  readonly foundation: Foundation
  readonly journal: Journal
  readonly accounts: AccountDirectory
  readonly clock: Clock
  readonly log: Log
}

export interface PublicSide {
  readonly gateway: Gateway
  /** Takes no more connections, lets answers in flight end, cuts them after `graceMs`. */
  drain (graceMs: number): Promise<void>
}

/** Nothing listens yet. */
export async function createPublicSide (options: PublicSideOptions): Promise<PublicSide> {
  const rooms = createRooms(options)
  const { foundation: { metrics, bans, stores }, log } = options
  const gateway = await createGateway(options.policy, rooms)
  const lateBans = createLateBans({
    bans, rules: () => gateway.policy.bans, isExempt: (id) => gateway.access.isExemptUser({ id }), log,
  })
  stores.onLateCrossing?.(lateBans, (subject) => bans.liftedAt(subject))
  metrics.add({
    kind: 'gauge',
    name: 'portcullis_open_exchanges',
    help: 'Requests and WebSockets under way',
    read: () => rooms.open.size,
  })
  return {
    gateway,
    drain: async (graceMs) => {
      await drain(gateway, rooms.open, graceMs)
      await rooms.doorman.close()
    },
  }
}

function createRooms ({ foundation, journal, accounts, clock, log }: PublicSideOptions): Rooms {
  const { bans, metrics, stores: { scores, counters, leases, suspensions, addressUsers } } = foundation
  const violations = createViolations({
    scores,
    journal: { append: (record) => { metrics.violation(record.type); journal.append(record) } },
    bans: createBanPlacer({ book: bans, users: addressUsers, scores, log }),
    clock,
    log,
    newId: randomUUID,
  })
  const open = createOpenExchanges()
  bans.on((event) => { if (event.kind === 'placed') open.closeFor(event.ban) })
  const refusals = createRefusalLog(log, clock)
  const known = { accounts, addressUsers, knownKeys: createKnownKeys(clock), aliases: createAliasBook() }
  const stateful = { bans, counters, leases, suspensions, violations }
  const doorman = openDoorman({ foundation, clock, log })
  const settling = createSettling({ foundation, clock, log })
  return { ...stateful, ...known, ...settling, doorman, clock, log, metrics, open, refusals }
}

/** Those who give back what a request was charged. */
function createSettling (
  { foundation: { metrics, stores }, clock, log }: Pick<PublicSideOptions, 'foundation' | 'clock' | 'log'>
): Pick<Rooms, 'deliveries' | 'tokens'> {
  const common = { store: stores.counters, clock, onStoreError: createFailureReport(log, clock) }
  return {
    deliveries: createDeliveries({ ...common, newId: randomUUID, refund: createRefund(common) }),
    tokens: createTokenLedger({ ...common, metrics }),
  }
}
