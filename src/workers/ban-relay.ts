import type { Ban, BanChanges, BanReplica, BanStore } from '../bans/contract.js'
import type { Stores } from '../stores/contract.js'

export interface BanRelayOptions {
  /** Tells the other processes of this tree. */
  send (changes: BanChanges): void
  /** Bans that hold until the store says otherwise, when it is away at the start. */
  readonly known?: readonly Ban[]
}

export interface BanRelay {
  /** The store, overheard: what is handed to it is told to the others too. */
  wrap (store: BanStore, stores: Pick<Stores, 'health'>): BanStore
  receive (changes: BanChanges): void
}

/**
 * Keeps the processes of one tree at one while the shared store is away. With the store there, it alone says what
 * holds: word that comes two ways could come in two orders, and a lifted ban would be back.
 */
export function createBanRelay ({ send, known = [] }: BanRelayOptions): BanRelay {
  let replica: BanReplica | undefined
  let isAway = () => false
  return {
    wrap (store, stores) {
      isAway = () => stores.health().status !== 'ok'
      return {
        load: async () => {
          const kept = await store.load()
          return isAway() ? [...known, ...kept] : kept
        },
        save: async (bans) => {
          send({ placed: bans, lifted: [] })
          await store.save(bans)
        },
        remove: async (lifts) => {
          send({ placed: [], lifted: lifts })
          await store.remove(lifts)
        },
        // What ran out has run out for everybody.
        forget: (subjects) => store.forget(subjects),
        liftedAt: (subject) => store.liftedAt(subject),
        follow: async (book) => {
          replica = book
          await store.follow?.(book)
        },
      }
    },
    receive (changes) {
      if (isAway()) replica?.apply(changes)
    },
  }
}
