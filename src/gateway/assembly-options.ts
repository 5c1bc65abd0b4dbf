import type { Access } from '../bans/bans.js'
import type { Concurrency } from '../concurrency/concurrency.js'
import type { Identifier } from '../identity/contract.js'
import type { Policy } from '../policy/contract.js'
import type { Rooms } from './rooms.js'

/** What checks are made of. */
export interface AssemblyOptions {
  readonly policy: Policy
  readonly access: Access
  readonly identifier: Identifier
  readonly concurrency: Concurrency
  readonly rooms: Rooms
  /** Told what a store failed to do. */
  onStoreError (error: Error): void
}
