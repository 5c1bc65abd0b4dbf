import { isDeepStrictEqual } from 'node:util'
import { isInForce, mergeBans, placedAtOf } from '../../bans/bans.js'
import type { Ban, BanReplica } from '../../bans/contract.js'
import type { Clock } from '../../clock.js'
import type { Log } from '../../log.js'
import type { MemoryBans } from '../memory/bans.js'
import { isBan } from '../memory/bans-file.js'
import type { RemoteState } from './bans-remote.js'

const NO_LIFT = -1

/** What is known about one subject: its ban, and when it was last lifted. */
export interface BanState {
  readonly ban: Ban | undefined
  /** Epoch milliseconds; -1 = never. */
  readonly liftedAt: number
}

export interface LocalBansOptions {
  readonly disk: MemoryBans
  readonly clock: Clock
  readonly log: Log
}

/** The bans as this instance has them: on its disk, and in the book that enforces them. */
export interface LocalBans {
  stateOf (subject: string): BanState
  /** Makes a state ours, on disk soon and in force when this returns. A lift that we know of stays known. */
  adopt (subject: string, state: BanState, by: string): void
  /** Makes sense of what Redis holds; a ban that ran out is none, nor is a ban or a lift that cannot be read. */
  read (subject: string, remote: RemoteState): BanState
  /** Everything with a ban or a lift. */
  subjects (): Iterable<string>
  /** From now on the book is told of what is adopted. */
  follow (replica: BanReplica): void
}

export function createLocalBans ({ disk, clock, log }: LocalBansOptions): LocalBans {
  let replica: BanReplica | undefined

  function standing (ban: Ban | undefined): Ban | undefined {
    return ban !== undefined && isInForce(ban, clock()) ? ban : undefined
  }

  function parse (subject: string, json: string): Ban | undefined {
    const ban = parseBan(json)
    if (ban?.subject === subject) return standing(ban)
    log.warn({ subject }, 'a ban in Redis cannot be read and is left alone')
    return undefined
  }

  /** Every comparison with what is no number would say that the ban is lifted. */
  function instantOf (subject: string, liftedAt: number): number {
    if (Number.isFinite(liftedAt)) return liftedAt
    log.warn({ subject }, 'a lift in Redis cannot be read and is left alone')
    return NO_LIFT
  }

  return {
    stateOf: (subject) => ({
      ban: standing(disk.bans.get(subject)), liftedAt: disk.lifts.get(subject) ?? NO_LIFT,
    }),
    adopt: (subject, { ban, liftedAt }, by) => {
      const before = disk.bans.get(subject)
      if (liftedAt > (disk.lifts.get(subject) ?? NO_LIFT)) disk.mark(subject, liftedAt)
      if (ban !== undefined) disk.put(ban)
      else disk.take(subject)
      disk.file.touch()
      if (ban === undefined) {
        const until = Math.max(liftedAt, before === undefined ? 0 : placedAtOf(before))
        replica?.apply({ placed: [], lifted: [{ subject, liftedAt: until, by }] })
      } else if (!isDeepStrictEqual(ban, before)) replica?.apply({ placed: [ban], lifted: [] })
    },
    read: (subject, { json, liftedAt }) => ({
      ban: json === '' ? undefined : parse(subject, json), liftedAt: instantOf(subject, liftedAt),
    }),
    subjects: () => [...disk.bans.keys(), ...disk.lifts.keys()],
    follow: (told) => { replica = told },
  }
}

/** Two views of one subject made one: the later lift holds, and of the bans what was placed after it. */
export function mergeStates (theirs: BanState, ours: BanState): BanState {
  const liftedAt = Math.max(theirs.liftedAt, ours.liftedAt)
  const [one, other] = [theirs.ban, ours.ban].filter((ban) => ban !== undefined && placedAtOf(ban) > liftedAt)
  return { liftedAt, ban: one !== undefined && other !== undefined ? mergeBans(one, other) : one ?? other }
}

export function isSameState (one: BanState, other: BanState): boolean {
  return one.liftedAt === other.liftedAt && isDeepStrictEqual(one.ban, other.ban)
}

/** '' = no ban. */
export function jsonOf ({ ban }: BanState): string {
  return ban === undefined ? '' : JSON.stringify(ban)
}

/** undefined: not the JSON of a ban. */
export function parseBan (json: string): Ban | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return isBan(value) ? value : undefined
  } catch {
    return undefined
  }
}
