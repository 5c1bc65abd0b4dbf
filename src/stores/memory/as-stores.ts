import { createAddressUsers } from '../../bans/bans.js'
import type { Meter } from '../../telemetry/contract.js'
import type { Stores } from '../contract.js'
import { createMemoryStores, type MemoryStoreOptions, type MemoryStats } from './memory-stores.js'

const METERS: readonly (readonly [keyof MemoryStats, Meter['kind'], name: string, help: string])[] = [
  ['buckets', 'gauge', 'portcullis_buckets', 'Limiter buckets in memory'],
  ['evictedBuckets', 'counter', 'portcullis_buckets_evicted_total', 'Limiter buckets given up for want of room'],
  ['scores', 'gauge', 'portcullis_scores', 'Score records in memory'],
  ['evictedScores', 'counter', 'portcullis_scores_evicted_total', 'Score records given up for want of room'],
  ['leaseHolders', 'gauge', 'portcullis_lease_holders', 'Users with a message in flight'],
  ['suspensions', 'gauge', 'portcullis_suspension_records', 'Subjects with totals of messages, levels or suspensions in memory'],
  ['evictedSuspensions', 'counter', 'portcullis_suspension_records_evicted_total', 'Such subjects given up for want of room'],
]

/** The stores of a gateway that runs alone, in the form that every assembly takes. Rejects when a file cannot be read. */
export async function openMemoryStores (options: MemoryStoreOptions): Promise<Stores> {
  const { counters, scores, leases, bans, suspensions, stats, close } = await createMemoryStores(options)
  return {
    kind: 'memory',
    counters,
    scores,
    leases,
    bans,
    suspensions,
    addressUsers: createAddressUsers(),
    meters: METERS.map(([member, kind, name, help]) => ({ kind, name, help, read: () => stats()[member] })),
    health: () => ({ status: 'ok' }),
    close,
  }
}
