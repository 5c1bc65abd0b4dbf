import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import { createAliasBook, type AliasBook } from './aliases.js'
import { createKnownKeys, type KnownKeys } from './api-keys.js'
import { createClientReader } from './client-address.js'
import type { ClientRules, Identifier, Identity, IdentitySource } from './contract.js'
import { identifyBody, identifyHead } from './credentials.js'
import type { Fetch } from './fetch-json.js'
import { asGuest } from './guest.js'
import { confirmKeys } from './learn-keys.js'
import { createSource, sourceFault, type Source } from './source.js'

export { createAddressMatcher, isAddressRule } from './address-matcher.js'
export { readAddress } from './address.js'
export { createAliasBook, type AliasBook } from './aliases.js'
export { createKnownKeys, type KnownKeys } from './api-keys.js'
export { issuerOf } from './discovery.js'
export { sourceFault } from './source.js'
export { addressSubject, networkSubject } from './subject.js'
export { isPerson, readUserId } from './user-id.js'

export interface IdentifierOptions {
  readonly client: ClientRules
  readonly sources: readonly IdentitySource[]
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'warn'>
  /** How key sets are fetched; node's own when absent. */
  readonly fetch?: Fetch
  /** Hand the same one to the identifier of the next policy, or it has to learn the API keys anew. */
  readonly keys?: KnownKeys
  /** The same goes for who is whose alias. */
  readonly aliases?: AliasBook
}

/** Sources of routes that are kept through reloads of the policy. */
const SOURCES_KEPT = 500

/**
 * Tells who calls. What does not verify is anonymous, never somebody.
 * @throws TypeError for rules that are unsafe or unreadable; nothing throws afterwards.
 */
export function createIdentifier (options: IdentifierOptions): Identifier {
  const { client, sources, clock, log, fetch, aliases = createAliasBook() } = options
  const known = options.keys ?? createKnownKeys(clock)
  const made = new LRUCache<string, Source>({ max: SOURCES_KEPT })
  // One rule is one source wherever it stands, so that its keys are fetched and its tokens verified once.
  const sourceOf = (rule: IdentitySource) => {
    const key = JSON.stringify(rule)
    const source = made.get(key) ?? createSource(rule, { clock, log, fetch, keys: known, aliases })
    made.set(key, source)
    return source
  }
  const shared: Shared = { clientOf: createClientReader(client, log), known }
  const common = readRules(sources, sourceOf)
  const alone = makeIdentifier({ sources: [], guests: false }, common, shared)
  const routes = new WeakMap<readonly IdentitySource[], Identifier>()
  const withSources = (own: readonly IdentitySource[]): Identifier => {
    if (own.length === 0) return identifier
    const route = routes.get(own) ?? { ...makeIdentifier(readRules(own, sourceOf), common, shared), withSources }
    routes.set(own, route)
    return route
  }
  const identifier: Identifier = { ...alone, withSources }
  return identifier
}

type SourceOf = (rule: IdentitySource) => Source
type RouteIdentifier = Omit<Identifier, 'withSources'>

interface Shared {
  readonly clientOf: Identifier['clientOf']
  readonly known: KnownKeys
}

/** A policy's or a route's sources, ready to run. */
interface Rules {
  readonly sources: readonly Source[]
  /** Whoever is nobody else is a guest. */
  readonly guests: boolean
}

function readRules (rules: readonly IdentitySource[], sourceOf: SourceOf): Rules {
  const fault = rules.filter(({ guest }) => guest).map(sourceFault).find((one) => one !== undefined)
  if (fault !== undefined) throw new TypeError(fault)
  return { sources: rules.filter(({ guest }) => !guest).map(sourceOf), guests: rules.some(({ guest }) => guest) }
}

function makeIdentifier (own: Rules, common: Rules, { clientOf, known }: Shared): RouteIdentifier {
  const sources = [...own.sources, ...common.sources]
  const guests = own.guests || common.guests
  const readsBody = sources.some(({ body, group }) => body.length > 0 || group.body.length > 0)
  const secrets = sources.flatMap(({ secret }) => secret ?? [])
  const settle = (identity: Identity) => guests ? asGuest(identity) : identity
  return {
    clientOf,
    identify (request, address) {
      const identity = identifyHead(sources, request, address)
      // Whether somebody is nobody else is known once everything was read.
      if (!guests || readsBody) return identity
      return identity instanceof Promise ? identity.then(settle) : settle(identity)
    },
    proves: secrets.length === 0 ? undefined : (request) => secrets.every((matches) => matches(request)),
    readsBody,
    identifyBody: (request, head, body) =>
      settle(identifyBody({ own: own.sources, common: common.sources }, { request, head, body })),
    confirm: (request, answer) => confirmKeys(sources, request, { known, answer }),
  }
}
