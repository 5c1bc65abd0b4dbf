import type { Lease, LeaseRecord, LeaseStore } from '../../concurrency/contract.js'
import type { Decider } from './decider.js'
import { leasesKey, slotsKey } from './key-names.js'
import { defineScript, runScript, type Script } from './scripts.js'

const [renewScript, releaseScript, bindScript, listScript] =
  [define('lease-renew'), define('lease-release'), define('lease-bind'), define('lease-list')]

/** Leases in Redis: a sorted set a holder and rule. Instants are the server's, but for `takenAt`. */
export function createRedisLeases (decider: Decider): LeaseStore {
  const { link } = decider

  function run (script: Script, lease: Pick<Lease, 'holder' | 'rule'>, args: (string | number)[]): Promise<unknown> {
    return runScript(link.fast, script, [slotsKey(link, lease), leasesKey(link, lease)], args)
  }

  return {
    async take (request) {
      const { id, now, lease, breach } = request
      const { slots: [slot] } = await decider.ask({ id, now, due: [], hits: [], slots: [request] })
      if (slot === undefined) throw new Error('Redis answered without a slot')
      const isRefused = !slot.granted && !slot.repeated
      if (!isRefused || breach === undefined || decider.lieTogether(breach, lease.holder)) {
        return { ...slot, unavailable: false }
      }
      const due = { id, breach, ageMs: 0 }
      const { due: [booking] } = await decider.ask({ id, now, due: [due], hits: [], slots: [] })
      return { ...slot, booking, unavailable: false }
    },
    async renew (lease, leaseMs, now) {
      await run(renewScript, lease, [link.now(now), lease.id, leaseMs])
    },
    async release (lease) {
      await run(releaseScript, lease, [lease.id])
    },
    async bind ({ lease, stream, repeatKey, now }) {
      const named = repeatKey === undefined ? [] : [repeatKey]
      const other = await run(bindScript, lease, [link.now(now), lease.id, stream, ...named])
      return other === null ? undefined : readLease(lease, other)
    },
    async list (holder, rule, now) {
      const [at, ...leases] = await run(listScript, { holder, rule }, [link.now(now)]) as [string, ...unknown[]]
      const records = leases.map((lease) => readLease({ holder, rule }, lease))
      return { at: Number(at), records: records.sort((a, b) => a.takenAt - b.takenAt) }
    },
  }
}

function define (name: string): Script {
  return defineScript(name, ['basics', 'slots', name].map((part) => new URL(`./${part}.lua`, import.meta.url)))
}

/** As `readLease` of `slots.lua` answers. */
type Reply = [id: string, expiresAt: string, takenAt: string, ...rest: (string | null)[]]

function readLease ({ holder, rule }: Pick<Lease, 'holder' | 'rule'>, reply: unknown): LeaseRecord {
  const [id, expiresAt, takenAt, boundAt = null, stream = null, repeatKey = null] = reply as Reply
  return {
    id,
    holder,
    rule,
    takenAt: Number(takenAt),
    expiresAt: Number(expiresAt),
    ...(stream === null ? {} : { stream }),
    ...(boundAt === null ? {} : { boundAt: Number(boundAt) }),
    ...(repeatKey === null ? {} : { repeatKey }),
  }
}
