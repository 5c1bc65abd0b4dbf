import type { AccountDirectory } from '../accounts/contract.js'
import type { AddressUsers, BanBook } from '../bans/contract.js'
import type { Clock } from '../clock.js'
import type { LeaseStore } from '../concurrency/contract.js'
import type { Deliveries } from '../deliveries/deliveries.js'
import type { Doorman } from '../doorman/doorman.js'
import type { CounterStore } from '../limits/contract.js'
import type { AliasBook, KnownKeys } from '../identity/identity.js'
import type { Log } from '../log.js'
import type { SuspensionStore } from '../suspensions/contract.js'
import type { Metrics } from '../telemetry/contract.js'
import type { TokenLedger } from '../tokens/tokens.js'
import type { Violations } from '../violations/violations.js'
import type { OpenExchanges } from './open-exchanges.js'
import type { RefusalLog } from './refusal-log.js'

/** What outlives a policy: state, and whom it is told to. */
export interface Rooms {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly bans: BanBook
  /** Who was seen on which address. */
  readonly addressUsers: AddressUsers
  /** Whose account an e-mail names. */
  readonly accounts: AccountDirectory
  /** API keys that the backend has accepted. */
  readonly knownKeys: KnownKeys
  /** Whose other name is whose. */
  readonly aliases: AliasBook
  readonly counters: CounterStore
  readonly leases: LeaseStore
  readonly suspensions: SuspensionStore
  readonly violations: Violations
  readonly doorman: Doorman
  /** What is in flight is in flight whatever the policy. */
  readonly deliveries: Deliveries
  readonly tokens: TokenLedger
  readonly open: OpenExchanges
  readonly refusals: RefusalLog
}
