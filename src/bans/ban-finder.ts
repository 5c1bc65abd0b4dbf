import type { BanShelf } from './ban-shelf.js'
import type { Ban, BanBook } from './contract.js'
import { importedSubject } from './imported.js'
import { endOf, isAutomatic, isInForce } from './merge.js'

export interface BanFinderDeps {
  readonly shelf: BanShelf
  /** The ban itself while it holds; drops it when it does not any more. */
  standing (ban: Ban | undefined, now: number): Ban | undefined
}

interface Person { readonly id: string }

/** Answers for every request whether a ban turns it away; allocates nothing for who is not banned. */
export function createBanFinder ({ shelf, standing }: BanFinderDeps): BanBook['find'] {
  function counting (kept: Ban | undefined, now: number, manualOnly: boolean): Ban | undefined {
    const ban = standing(kept, now)
    return ban !== undefined && manualOnly && isAutomatic(ban) ? undefined : ban
  }

  /** Of a user's two bans the one that ends later. */
  function ofUser (id: string, now: number, manualOnly: boolean): Ban | undefined {
    const own = counting(shelf.ofUser(id), now, manualOnly)
    const imported = manualOnly ? undefined : shelf.importedOf(id)
    if (imported === undefined) return own
    if (!isInForce(imported, now)) standing(shelf.get(importedSubject(id)), now)
    else if (own === undefined || endOf(own) < endOf(imported)) return imported
    return own
  }

  return (users, address, now, options) => {
    if (shelf.size === 0) return undefined
    const manualOnly = options?.manualOnly === true
    for (let i = 0; i < users.length; i++) {
      const ban = ofUser((users[i] as Person).id, now, manualOnly)
      if (ban !== undefined) return ban
    }
    const subjects = shelf.subjectsOf(address)
    for (let i = 0; i < subjects.length; i++) {
      const ban = counting(shelf.get(subjects[i] as string), now, manualOnly)
      if (ban !== undefined) return ban
    }
    return undefined
  }
}
