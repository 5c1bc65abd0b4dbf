import { mergeBans, placedAtOf } from '../bans/bans.js'
import type { Ban, BanChanges, BanLift, BanReplica, BanStore } from '../bans/contract.js'

export interface BanRelayOptions {
  /** Tells the other processes of this tree, at once. Resolves when as much is safe as they can make safe. */
  share (changes: BanChanges): Promise<void>
  /** What the primary knew when this process began. */
  readonly known?: readonly Ban[]
}

export interface BanRelay {
  /** The store, overheard: what is handed to it is shared too. */
  wrap (store: BanStore): BanStore
  /** What another process shares: in force when this returns; resolves when it is safe here, rejects when that failed. */
  receive (changes: BanChanges): Promise<void>
}

/**
 * Keeps the processes of one tree at one, whatever becomes of the shared store. What is shared goes into the book and
 * the store of each: so the primary has it on disk, and each knows a lift when the store brings the ban once more. It
 * may come two ways and in any order, since of a ban and a lift the later one holds, and a ban merges with itself.
 */
export function createBanRelay ({ share, known = [] }: BanRelayOptions): BanRelay {
  let here: { readonly store: BanStore, readonly replica: BanReplica } | undefined
  return {
    wrap: (store) => ({
      load: async () => [...known, ...await store.load()],
      save: async (bans) => { await Promise.all([share({ placed: bans, lifted: [] }), store.save(bans)]) },
      remove: async (lifts) => { await Promise.all([share({ placed: [], lifted: lifts }), store.remove(lifts)]) },
      // What ran out has run out for everybody.
      forget: (subjects) => store.forget(subjects),
      liftedAt: (subject) => store.liftedAt(subject),
      follow: async (replica) => {
        here = { store, replica }
        await store.follow?.(replica)
      },
    }),
    async receive ({ placed, lifted }) {
      if (here === undefined) return
      const { store, replica } = here
      // The lift first: who was lifted and placed again is banned.
      await Promise.all([takeLifts(lifted, store, replica), takeBans(placed, store, replica)])
    },
  }
}

async function takeLifts (lifts: readonly BanLift[], store: BanStore, replica: BanReplica): Promise<void> {
  if (lifts.length === 0) return
  const lifted = lifts.filter(({ subject, liftedAt }) => {
    const ban = replica.get(subject)
    return ban !== undefined && placedAtOf(ban) <= liftedAt
  })
  replica.apply({ placed: [], lifted })
  await store.remove(lifts)
}

async function takeBans (bans: readonly Ban[], store: BanStore, replica: BanReplica): Promise<void> {
  const news = bans.filter((ban) => placedAtOf(ban) > (store.liftedAt(ban.subject) ?? 0))
  const placed = news.map((ban) => {
    const before = replica.get(ban.subject)
    return before === undefined ? ban : mergeBans(before, ban)
  })
  replica.apply({ placed, lifted: [] })
  const standing = placed.map(({ subject }) => replica.get(subject)).filter((ban) => ban !== undefined)
  if (standing.length > 0) await store.save(standing)
}
