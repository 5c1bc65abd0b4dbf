import type { LeaseRecord, LeaseStore } from '../../src/concurrency/contract.js'

/** The plainest thing that keeps the contract: one list of records. It books nothing. */
export function createReferenceStore (): LeaseStore {
  let records: LeaseRecord[] = []
  const live = (holder: string, rule: string, now: number) =>
    records.filter((record) => record.holder === holder && record.rule === rule && record.expiresAt > now)
  const change = (id: string, now: number, members: Partial<LeaseRecord>) => {
    records = records.map((record) => record.id === id && record.expiresAt > now ? { ...record, ...members } : record)
  }
  return {
    take ({ lease, max, leaseMs, unlessRepeated, now }) {
      const holders = live(lease.holder, lease.rule, now)
      const repeated = unlessRepeated !== undefined && holders.some(({ repeatKey }) => repeatKey === unlessRepeated)
      const granted = !repeated && holders.length < max
      if (granted) records.push({ ...lease, expiresAt: now + leaseMs })
      return { granted, held: holders.length + (granted ? 1 : 0), repeated, booking: undefined, unavailable: false }
    },
    renew (lease, leaseMs, now) {
      change(lease.id, now, { expiresAt: now + leaseMs })
    },
    release ({ id }) {
      records = records.filter((record) => record.id !== id)
    },
    bind ({ lease, stream, repeatKey, now }) {
      const original = live(lease.holder, lease.rule, now).find((record) => record.id !== lease.id &&
        record.stream === stream && record.repeatKey === repeatKey && repeatKey !== undefined)
      change(lease.id, now, { stream, boundAt: now, ...(repeatKey !== undefined && { repeatKey }) })
      return original
    },
    list: (holder, rule, now) => ({ at: now, records: live(holder, rule, now) }),
  }
}
