import type { Log } from '../log.js'
import { userSubject } from '../identity/contract.js'
import type { Ban, BanEvent } from './contract.js'
import { importedIdOf, isPardoned, shownBan } from './imported.js'

export type BanListener = (event: BanEvent) => void

interface Lifted {
  /** As it is kept. */
  readonly subject: string
  readonly by: string
  readonly remote: boolean
}

/** Those who are told of every placed and lifted ban. One that fails harms nobody. */
export function createBanListeners (log: Log) {
  const listeners = new Set<BanListener>()

  function tell (event: BanEvent): void {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        log.error({ err: error }, 'a listener to bans failed')
      }
    }
  }

  return {
    /** Until the answer is called. */
    add (listener: BanListener): () => void {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    placed (ban: Ban, remote: boolean): void {
      if (!isPardoned(ban)) tell({ kind: 'placed', ban: shownBan(ban), remote })
    },
    lifted ({ subject, ...how }: Lifted): void {
      const userId = importedIdOf(subject)
      if (userId === undefined) tell({ kind: 'lifted', subject, ...how })
      else tell({ kind: 'lifted', subject: userSubject(userId), ...how, imported: true })
    },
  }
}
