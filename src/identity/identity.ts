import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import { createKnownKeys, type KnownKeys } from './api-keys.js'
import { createClientReader } from './client-address.js'
import type { ClientRules, Identifier, IdentitySource } from './contract.js'
import { confirmKeys, identifyBody, identifyHead } from './credentials.js'
import type { Fetch } from './key-set.js'
import { createSource } from './source.js'

export { createAddressMatcher, isAddressRule } from './address-matcher.js'
export { readAddress } from './address.js'
export { createKnownKeys, type KnownKeys } from './api-keys.js'
export { sourceFault } from './source.js'
export { addressSubject, networkSubject } from './subject.js'

export interface IdentifierOptions {
  readonly client: ClientRules
  readonly sources: readonly IdentitySource[]
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'warn'>
  /** How key sets are fetched; node's own when absent. */
  readonly fetch?: Fetch
  /** Hand the same one to the identifier of the next policy, or it has to learn the API keys anew. */
  readonly keys?: KnownKeys
}

/**
 * Tells who calls. What does not verify is anonymous, never somebody.
 * @throws TypeError for rules that are unsafe or unreadable; nothing throws afterwards.
 */
export function createIdentifier ({ client, sources: rules, clock, log, fetch, keys }: IdentifierOptions): Identifier {
  const known = keys ?? createKnownKeys(clock)
  const sources = rules.map((rule) => createSource(rule, { clock, log, fetch, keys: known }))
  return {
    clientOf: createClientReader(client, log),
    identify: (request, address) => identifyHead(sources, request, address),
    readsBody: sources.some(({ body, group }) => body.length > 0 || group.body.length > 0),
    identifyBody: (request, head, body) => identifyBody(sources, { request, head, body }),
    confirm: (request) => confirmKeys(sources, request, known),
  }
}
