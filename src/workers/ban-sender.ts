import type { BanChanges } from '../bans/contract.js'

export interface BanSender {
  /** Resolves when the primary has made the changes safe; rejects when it could not. */
  share (changes: BanChanges): Promise<void>
  /** The primary's answer. @param reason why it failed; undefined: it did not */
  answered (id: number, reason: string | undefined): void
}

/** A worker's way to tell the primary of bans: the primary keeps them on disk, and passes them on. */
export function createBanSender (send: (id: number, changes: BanChanges) => void): BanSender {
  const waiting = new Map<number, PromiseWithResolvers<void>>()
  let lastId = 0
  return {
    share (changes) {
      const answer = Promise.withResolvers<void>()
      waiting.set(++lastId, answer)
      send(lastId, changes)
      return answer.promise
    },
    answered (id, reason) {
      const answer = waiting.get(id)
      waiting.delete(id)
      if (reason === undefined) answer?.resolve()
      else answer?.reject(new Error(reason))
    },
  }
}
