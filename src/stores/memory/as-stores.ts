import { createAddressUsers } from '../../bans/bans.js'
import type { Stores } from '../contract.js'
import { createMemoryStores, type MemoryStoreOptions, type MemoryStats } from './memory-stores.js'

const GAUGES: readonly (readonly [keyof MemoryStats, name: string, help: string])[] = [
  ['buckets', 'portcullis_buckets', 'Limiter buckets in memory'],
  ['evictedBuckets', 'portcullis_buckets_evicted', 'Limiter buckets given up for want of room, since the start'],
  ['scores', 'portcullis_scores', 'Score records in memory'],
  ['evictedScores', 'portcullis_scores_evicted', 'Score records given up for want of room, since the start'],
  ['leaseHolders', 'portcullis_lease_holders', 'Users with a message in flight'],
]

/** The stores of a gateway that runs alone, in the form that every assembly takes. Rejects when a file cannot be read. */
export async function openMemoryStores (options: MemoryStoreOptions): Promise<Stores> {
  const { counters, scores, leases, bans, stats, close } = await createMemoryStores(options)
  return {
    kind: 'memory',
    counters,
    scores,
    leases,
    bans,
    addressUsers: createAddressUsers(),
    gauges: GAUGES.map(([member, name, help]) => ({ name, help, read: () => stats()[member] })),
    health: () => ({ status: 'ok' }),
    close,
  }
}
