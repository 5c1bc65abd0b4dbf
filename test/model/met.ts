/** Counts what sequences have met, so that a model that compares nothing is noticed. */
import type { Booking } from '../../src/verdict/verdict.js'
import type { Deed, Outcome, Taken } from './deeds.js'

export type Met = Record<string, number>

export function note (met: Met, deed: Deed, { answer, bans }: Outcome): void {
  const add = (what: string, times = 1): void => { met[what] = (met[what] ?? 0) + times }
  const { turnedAway, verdict, taken, booking, isRepetition, lifted } = answer
  if (turnedAway !== undefined) add(turnedAway.startsWith('ip:') ? 'address turned away' : 'user turned away')
  if (verdict !== undefined) {
    add(verdict.refused < 0 ? 'admitted' : 'refused')
    add('observed', verdict.observed.length)
  }
  const all: readonly Taken[] = [...verdict?.slots ?? [], ...taken === undefined ? [] : [taken]]
  for (const { granted, repeated } of all) add(granted ? 'slot' : repeated ? 'repeated' : 'no slot')
  if (isRepetition === true) add('repetition bound')
  if (lifted !== undefined) add(lifted.length === 2 ? 'lifted with address' : lifted.length === 1 ? 'lifted' : 'not banned')
  const bookings = [booking, verdict?.booking, ...all.map((one) => one.booking)].filter((one) => one !== undefined)
  if (deed.kind !== 'again') noteBookings(add, { deed, bookings, bans })
}

interface Bookings extends Pick<Outcome, 'bans'> {
  readonly deed: Deed
  readonly bookings: readonly Booking[]
}

function noteBookings (add: (what: string) => void, { deed, bookings, bans }: Bookings): void {
  for (const { before, crossed } of bookings) {
    add(crossed ? 'crossed' : before > 0 ? 'added up' : 'booked')
    if (crossed && 'caller' in deed) add(deed.caller.ip in bans ? 'address banned' : 'address spared')
  }
}
