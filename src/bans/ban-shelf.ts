import { userIdOf } from '../identity/contract.js'
import { createAddressIndex } from './address-index.js'
import type { Ban } from './contract.js'
import { importedIdOf, isPardoned, shownBan } from './imported.js'

/** All bans in memory, by subject, user and address. Subjects are canonical. Knows nothing of time or disks. */
export interface BanShelf {
  put (ban: Ban): void
  take (subject: string): void
  get (subject: string): Ban | undefined
  /** By the bare id, so that a request need not build a subject to ask. */
  ofUser (id: string): Ban | undefined
  /** The backend's own ban of the user, as others know it; undefined also where it is pardoned. */
  importedOf (id: string): Ban | undefined
  /** Subjects under which a ban of this address could stand, narrowest first; only to be read. */
  subjectsOf (address: string): readonly string[]
  /** In the order in which they were put, the latest last. Can be walked as often as one likes. */
  readonly all: Iterable<Ban>
  readonly size: number
}

export function createBanShelf (): BanShelf {
  const bySubject = new Map<string, Ban>()
  const byUser = new Map<string, Ban>()
  const imported = new Map<string, Ban>()
  const addresses = createAddressIndex()

  function putImported (id: string, ban: Ban): void {
    if (isPardoned(ban)) imported.delete(id)
    else imported.set(id, shownBan(ban))
  }

  return {
    put: (ban) => {
      const isNew = !bySubject.delete(ban.subject)
      bySubject.set(ban.subject, ban)
      const userId = userIdOf(ban.subject)
      const importedId = importedIdOf(ban.subject)
      if (userId !== undefined) byUser.set(userId, ban)
      else if (importedId !== undefined) putImported(importedId, ban)
      else if (isNew) addresses.add(ban.subject)
    },
    take: (subject) => {
      if (!bySubject.delete(subject)) return
      const userId = userIdOf(subject)
      const importedId = importedIdOf(subject)
      if (userId !== undefined) byUser.delete(userId)
      else if (importedId !== undefined) imported.delete(importedId)
      else addresses.remove(subject)
    },
    get: (subject) => bySubject.get(subject),
    ofUser: (id) => byUser.get(id),
    importedOf: (id) => imported.get(id),
    subjectsOf: addresses.subjectsOf,
    all: { [Symbol.iterator]: () => bySubject.values() },
    get size () { return bySubject.size },
  }
}
