/** The chat app's MongoDB, where it is configured. Loaded only then: its driver is large. */
import { createAccountDirectory } from '../accounts/accounts.js'
import type { AccountDirectory } from '../accounts/contract.js'
import { forgetImported } from '../bans/bans.js'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import type { BanRecords } from '../stores/mongo/ban-records.js'
import type { Mongo } from '../stores/mongo/mongo.js'
import type { Foundation } from './foundation.js'

export interface AppDatabaseOptions {
  /** undefined: there is none. */
  readonly uri: string | undefined
  /** Nobody else has the bans of the stores: there is no Redis. */
  readonly isAlone: boolean
  readonly clock: Clock
  readonly log: Log
}

export interface AppDatabase {
  /** Whose account an e-mail names: the app's own accounts, or what was learnt from sign-ins. */
  readonly accounts: AccountDirectory
  /** Keeps a document of each ban there from now on; for one process of an instance. */
  recordBans (foundation: Foundation): Promise<void>
  /** Whether the app's own bans hold here too, as the policy in force says; for the same process, after the above. */
  importBans (isOn: boolean): void
  /** Never rejects. */
  close (): Promise<void>
}

/** Waits for no server. Rejects for a text that is no connection string. */
export async function openAppDatabase ({ uri, isAlone, clock, log }: AppDatabaseOptions): Promise<AppDatabase> {
  if (uri === undefined) {
    return withoutDatabase({ isAlone, clock, log })
  }
  const [{ openMongo }, { createAccountLookup }] = await Promise.all([
    import('../stores/mongo/mongo.js'), import('../stores/mongo/account-lookup.js'),
  ])
  const mongo = openMongo({ uri })
  const accounts = createAccountDirectory({ lookUp: createAccountLookup({ mongo }), clock, log })
  let records: BanRecords | undefined
  return {
    accounts,
    recordBans: async (foundation) => { records = await recordBans(foundation, { mongo, isAlone, clock, log }) },
    importBans: (isOn) => records?.importBans(isOn),
    close: async () => {
      await records?.close()
      await mongo.close()
    },
  }
}

interface Surroundings extends Omit<AppDatabaseOptions, 'uri'> { readonly mongo: Mongo }

async function recordBans (
  { bans, stores, metrics, health }: Foundation, around: Surroundings
): Promise<BanRecords> {
  const { createBanRecords } = await import('../stores/mongo/ban-records.js')
  const records = createBanRecords({ ...around, book: bans, scores: stores.scores })
  records.meters.forEach(metrics.add)
  health.register('mongodb', records.health)
  records.start()
  return records
}

/**
 * Bans that were taken over when there was a database hold nobody any more: nobody would hear of their end. Where others
 * have them too, they may be taken over by those.
 */
function withoutDatabase ({ isAlone, clock, log }: Omit<AppDatabaseOptions, 'uri'>): AppDatabase {
  return {
    accounts: createAccountDirectory({ clock, log }),
    recordBans: async ({ bans: book }) => { if (isAlone) await forgetImported({ book, log }) },
    importBans: () => {},
    close: async () => {},
  }
}
