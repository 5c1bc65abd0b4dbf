import type { LeaseRecord, LeaseStore } from '../../src/concurrency/contract.js'
import { createMemoryLeases } from '../../src/stores/memory/leases.js'

/** The plainest thing that keeps the contract: one list of records. */
export function createReferenceStore (): LeaseStore {
  let records: LeaseRecord[] = []
  const live = (holder: string, rule: string, now: number) =>
    records.filter((record) => record.holder === holder && record.rule === rule && record.expiresAt > now)
  const change = (id: string, now: number, members: Partial<LeaseRecord>) => {
    records = records.map((record) => record.id === id && record.expiresAt > now ? { ...record, ...members } : record)
  }
  return {
    take ({ lease, max, leaseMs, now }) {
      const held = live(lease.holder, lease.rule, now).length
      if (held >= max) return { granted: false, held }
      records.push({ ...lease, expiresAt: now + leaseMs })
      return { granted: true, held: held + 1 }
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
    list: (holder, rule, now) => live(holder, rule, now),
  }
}

/** The same, answering later, as a store in another process does. */
export function createSlowStore (inner: LeaseStore = createMemoryLeases()): LeaseStore {
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    take: async (...args) => { await turn(); return inner.take(...args) },
    renew: async (...args) => { await turn(); return inner.renew(...args) },
    release: async (...args) => { await turn(); return inner.release(...args) },
    bind: async (...args) => { await turn(); return inner.bind(...args) },
    list: async (...args) => { await turn(); return inner.list(...args) },
  }
}
