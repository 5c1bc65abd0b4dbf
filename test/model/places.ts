/** Where sequences are run: the stores that must all agree. */
import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import { createAddressUsers } from '../../src/bans/bans.js'
import { createBanBook } from '../../src/bans/ban-book.js'
import type { BanBook } from '../../src/bans/contract.js'
import type { Clock } from '../../src/clock.js'
import { createMemoryBans } from '../../src/stores/memory/bans.js'
import { createMemoryCounters } from '../../src/stores/memory/counters.js'
import { createMemoryLeases } from '../../src/stores/memory/leases.js'
import { createScoresInProcess } from '../../src/stores/memory/scores.js'
import { createRedisBans } from '../../src/stores/redis/bans.js'
import { until } from '../helpers/backends.js'
import { testLog } from '../helpers/product.js'
import { openRedis } from '../stores/redis-rig.js'
import type { Actor } from './deeds.js'
import { createRooms, type Rooms, type RoomStores } from './rooms.js'

const DEADLINE_MS = 10_000
/** A ban must hold everywhere within 100 ms; a busy machine may take longer. */
const IN_STEP_MS = 5_000
const RETENTION_MS = 400 * 24 * 3_600_000

/** Puts something else in place of an instance's stores. */
export type Change = (stores: RoomStores) => RoomStores

/** Stores in process, whole and empty. */
export function openMemory (clock: Clock, change: Change = (stores) => stores): Actor {
  const log = testLog()
  const scores = createScoresInProcess({ clock, retentionMs: RETENTION_MS })
  const leases = createMemoryLeases({ scores })
  const counters = createMemoryCounters({ scores, leases })
  const book = createBanBook({ store: createMemoryBans({ dataDir: undefined, clock, log }), clock, log })
  const rooms = createRooms(change({ counters, scores, leases, book, users: createAddressUsers(), clock }))
  return { name: 'memory', perform: (deed, { subjects }) => rooms.perform(deed, subjects) }
}

interface Instance {
  readonly book: BanBook
  readonly rooms: Rooms
}

/** Two instances on one Redis. Whoever runs more than one sequence there gives each its own names. */
export async function openShared (t: Test, { name, url }: { name: string, url: string }, clock: Clock): Promise<Actor> {
  const users = createAddressUsers()
  const prefix = `model-${name}:`

  async function openInstance (): Promise<Instance> {
    const opened = await openRedis(t, { url }, { prefix, clock, deadlineMs: DEADLINE_MS })
    const { link, log, counters, scores, leases } = opened
    const disk = createMemoryBans({ dataDir: undefined, clock, log })
    const store = createRedisBans({ link, disk, clock, log, deadlineMs: DEADLINE_MS })
    const book = createBanBook({ store, clock, log })
    await book.start()
    t.teardown(async () => {
      await book.close()
      await store.close()
    })
    return { book, rooms: createRooms({ counters, scores, leases, book, users, clock }) }
  }

  const instances = [await openInstance(), await openInstance()] as const
  return {
    name,
    perform: async (deed, { instance, subjects }) => {
      const outcome = await instances[instance].rooms.perform(deed, subjects)
      const isSettled = await areInStep(instances, subjects)
      return isSettled ? outcome : { ...outcome, bans: instances[1 - instance as 0 | 1].rooms.bansOf(subjects) }
    },
  }
}

/** Whether both come to know the same bans, down to what they are linked with. */
async function areInStep ([one, other]: readonly [Instance, Instance], subjects: readonly string[]): Promise<boolean> {
  const agree = () => subjects.every((subject) => isDeepStrictEqual(one.book.get(subject), other.book.get(subject)))
  return agree() || await until(agree, IN_STEP_MS)
}
