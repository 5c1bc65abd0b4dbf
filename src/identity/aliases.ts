import { LRUCache } from 'lru-cache'
import type { AliasRules, VerifiedUser } from './contract.js'
import { createTokenVerifier, jwtFault, type JwtOptions } from './jwt.js'
import { isHeadPlace, type HeadPlace } from './places.js'

const NAMES_KEPT = 100_000

/**
 * Whose alias is whose, for as long as the process lives: kept apart from identifiers, so that a reload of the policy
 * makes nobody somebody else. Of more than 100,000 people those who were seen longest ago are forgotten.
 */
export interface AliasBook {
  /** The alias that this name came with first: one of `offered` if it has none yet, undefined if there is none. */
  bind (name: string, offered: VerifiedUser | undefined): string | undefined
}

export function createAliasBook (): AliasBook {
  const bound = new LRUCache<string, string>({ max: NAMES_KEPT })
  return {
    bind (name, offered) {
      const known = bound.get(name)
      if (known !== undefined || offered === undefined) return known
      bound.set(name, offered.id)
      return offered.id
    },
  }
}

/** A source's alias, ready to run. */
export interface Alias {
  readonly head: readonly HeadPlace[]
  /** Whom the text names in the backend's database; undefined: nobody. Never throws. */
  verify (text: string): VerifiedUser | undefined
  /** The user under the name that he goes by here; the one that his token says is his alias then. */
  nameOf (user: VerifiedUser | undefined, offered: readonly VerifiedUser[]): VerifiedUser | undefined
}

export interface AliasOptions extends JwtOptions {
  readonly aliases: AliasBook
  /** Whose names those of the source are. */
  readonly issuer: string | undefined
}

export function createAlias ({ from, jwt }: AliasRules, options: AliasOptions): Alias {
  const { aliases, issuer = '' } = options
  const verify = createTokenVerifier(jwt, options)
  return {
    head: from.filter(isHeadPlace),
    verify: (text) => {
      const user = verify(text)
      // By a secret, as `aliasFault` wants it: it does not wait.
      return user instanceof Promise ? undefined : user
    },
    nameOf (user, offered) {
      if (user === undefined) return undefined
      const id = aliases.bind(`${issuer} ${user.id}`, offered[0])
      return id === undefined || id === user.id ? user : { ...user, id, alias: user.id }
    },
  }
}

/** What is wrong with an alias, for whoever wrote it; undefined: nothing. */
export function aliasFault ({ from, jwt }: AliasRules): string | undefined {
  if (from.length === 0 || !from.every(isHeadPlace)) return 'an alias stands in the head of a request'
  if (jwt.secret === undefined) return 'an alias can only be verified by a secret'
  return jwtFault(jwt)
}
