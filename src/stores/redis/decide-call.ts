/** What a call of `decide.lua` is asked, and how its reply reads. */
import type { SlotRequest } from '../../concurrency/contract.js'
import type { Hit } from '../../limits/contract.js'
import type { Booking } from '../../verdict/verdict.js'
import type { Suspension } from '../../suspensions/contract.js'
import type { Breach } from '../../violations/contract.js'
import { readSuspension, type SuspensionReply } from './suspensions.js'

/** Scores travel, and are kept, as whole numbers, so that tenths add up. */
export const MILLIONTHS = 1e6

/** What one call is asked. On a Cluster all of it belongs to one subject. */
export interface Question {
  /** Names the violation that a refusal books. */
  readonly id: string
  /** What scripts are to go by: see `RedisLink.now`. */
  readonly now: number
  /** Looked at before anything is charged; absent: nobody is. */
  readonly watched?: string | undefined
  /** Booked first, whatever comes of the rest. */
  readonly due: readonly DueBooking[]
  /** With their places in the request, by which they are named again in the answer. */
  readonly hits: readonly PlacedHit[]
  readonly slots: readonly SlotRequest[]
}

export interface DueBooking {
  readonly id: string
  readonly breach: Breach
  /** How long ago it happened. */
  readonly ageMs: number
}

export interface PlacedHit extends Hit { readonly place: number }

export interface Answer {
  /** Epoch milliseconds. */
  readonly at: number
  readonly due: readonly Booking[]
  /** One a hit. */
  readonly standings: readonly ChargedStanding[]
  /** Hits without room, up to the one that refused: the last, unless it only observes. */
  readonly full: readonly FullHit[]
  /** Up to the first that was not granted. */
  readonly slots: readonly SlotAnswer[]
  /** In force: hits and slots were not looked at. */
  readonly suspension: Suspension | undefined
}

export interface ChargedStanding {
  readonly charged: number
  readonly remaining: number
  readonly resetAt: number
  readonly retryAt: number
}

/** `booking`: undefined too where the breach is not booked here, since its subject's scores lie elsewhere. */
export interface FullHit { readonly hit: PlacedHit, readonly booking: Booking | undefined }

export interface SlotAnswer {
  readonly granted: boolean
  readonly held: number
  readonly repeated: boolean
  readonly booking: Booking | undefined
}

type Reply = [
  at: string, due: string[][], standings: string[], full: string[][], slots: string[][],
  suspension: [] | SuspensionReply
]

/** A reply of `decide.lua`, which says what it consists of. */
export function readAnswer (reply: unknown, { now, watched: subject = '', due, hits, slots }: Question): Answer {
  const [at, booked, standings, full, taken, suspended] = reply as Reply
  return {
    at: Number(at),
    due: booked.map((booking, index) => readBooking(booking, due[index]?.breach) as Booking),
    standings: standings.length === 0 ? [] : hits.map((_hit, index) => readStanding(standings, index * 4)),
    full: full.map(([index, ...booking]) => {
      const hit = hits[Number(index)] as PlacedHit
      return { hit, booking: readBooking(booking, hit.breach) }
    }),
    slots: taken.map(([granted, held, repeated, ...booking], index) => ({
      granted: granted === '1',
      held: Number(held),
      repeated: repeated === '1',
      booking: readBooking(booking, slots[index]?.breach),
    })),
    suspension: suspended.length === 0 ? undefined : readSuspension(suspended, { subject, now }),
  }
}

function readStanding (standings: readonly string[], from: number): ChargedStanding {
  return {
    charged: Number(standings[from]),
    remaining: Number(standings[from + 1]),
    resetAt: Number(standings[from + 2]),
    retryAt: Number(standings[from + 3]),
  }
}

function readBooking (
  [before, after, at, crossed]: readonly string[], breach: Breach | undefined
): Booking | undefined {
  if (before === undefined || breach === undefined) return undefined
  return {
    score: breach.score,
    before: Number(before) / MILLIONTHS,
    after: Number(after) / MILLIONTHS,
    at: Number(at),
    crossed: crossed === '1',
  }
}
