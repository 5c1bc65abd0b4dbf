import type { Clock } from '../../clock.js'
import type { BanEvent } from '../../bans/contract.js'
import type { Lifted } from './ban-collection.js'

/**
 * What has changed and is not in the collection yet. Bans that find no room are found again in the book; lifts
 * cannot be, so that those which are lost are counted: their documents stay until they expire.
 */
export interface BanQueue {
  add (event: BanEvent): void
  /** A document that must be written anew though its ban stands unchanged. */
  addChanged (subject: string): void
  /** Takes out at most that many subjects whose documents are to be written. */
  takePlaced (most: number): readonly string[]
  /** They are written now, whoever asked for it. */
  dropPlaced (subjects: readonly string[]): void
  /** Takes out at most that many lifts whose documents are to go. */
  takeLifted (most: number): readonly Lifted[]
  /** What could not be carried out; what has come since is newer and wins. */
  putBack (lifts: readonly Lifted[]): void
  /** A changed ban whose document is still to be written. */
  hasPlaced (subject: string): boolean
  readonly size: number
  readonly lifts: number
  /** Lifts that found no room, ever. */
  readonly dropped: number
}

export interface BanQueueDeps {
  readonly clock: Clock
  readonly maxEntries: number
}

export function createBanQueue ({ clock, maxEntries }: BanQueueDeps): BanQueue {
  const placed = new Set<string>()
  const lifted = new Map<string, number>()
  let dropped = 0

  function addPlaced (subject: string): void {
    lifted.delete(subject)
    if (placed.size < maxEntries) placed.add(subject)
  }

  function addLifted ({ subject, liftedAt }: Lifted): void {
    placed.delete(subject)
    if (lifted.has(subject) || lifted.size < maxEntries) lifted.set(subject, liftedAt)
    else dropped++
  }

  return {
    add (event) {
      if (event.kind === 'placed') addPlaced(event.ban.subject)
      else addLifted({ subject: event.subject, liftedAt: clock() })
    },
    addChanged: addPlaced,
    takePlaced (most) {
      const taken = firstOf(placed, most)
      for (const subject of taken) placed.delete(subject)
      return taken
    },
    dropPlaced (subjects) {
      for (const subject of subjects) placed.delete(subject)
    },
    takeLifted (most) {
      const taken = firstOf(lifted, most).map(([subject, liftedAt]) => ({ subject, liftedAt }))
      for (const { subject } of taken) lifted.delete(subject)
      return taken
    },
    putBack (lifts) {
      for (const lift of lifts) if (!lifted.has(lift.subject) && !placed.has(lift.subject)) addLifted(lift)
    },
    hasPlaced: (subject) => placed.has(subject),
    get size () { return placed.size + lifted.size },
    get lifts () { return lifted.size },
    get dropped () { return dropped },
  }
}

function firstOf<Item> (items: Iterable<Item>, most: number): Item[] {
  const first: Item[] = []
  for (const item of items) {
    if (first.length >= most) break
    first.push(item)
  }
  return first
}
