import type { Clock } from '../../clock.js'
import type { BanEvent } from '../../bans/contract.js'
import type { Lifted } from './ban-collection.js'

/**
 * What has changed and is not in the collection yet. Bans that find no room are found again in the book; lifts
 * cannot be, so that those which are lost are counted: their documents stay until they expire.
 */
export interface BanQueue {
  /** @param inMs the other instance, whose change it is, is about to write the document: not before that time. */
  add (event: BanEvent, inMs?: number): void
  /** A document that must be written anew though its ban stands unchanged. */
  addChanged (subject: string): void
  /** Takes out at most that many subjects whose documents are to be written. */
  takePlaced (most: number): readonly string[]
  /** Takes out at most that many whose changes others made and whose time has come. */
  takeRemote (most: number): readonly string[]
  /** Milliseconds until the next of those; Infinity: there is none. */
  readonly remoteInMs: number
  /** They are written now, whoever asked for it. */
  dropPlaced (subjects: readonly string[]): void
  /** Takes out at most that many lifts whose documents are to go. */
  takeLifted (most: number): readonly Lifted[]
  /** What could not be carried out; what has come since is newer and wins. */
  putBack (lifts: readonly Lifted[]): void
  /** A changed ban whose document we are still to write. */
  hasPlaced (subject: string): boolean
  /** The same, or the other instance whose change it is. */
  isPlaced (subject: string): boolean
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
  /** Subject → when its time has come, the next first. */
  const remote = new Map<string, number>()
  const lifted = new Map<string, number>()
  let dropped = 0
  const isPlaced = (subject: string): boolean => placed.has(subject) || remote.has(subject)

  function addPlaced (subject: string): void {
    lifted.delete(subject)
    remote.delete(subject)
    if (placed.size < maxEntries) placed.add(subject)
  }

  function addRemote (subject: string, inMs: number): void {
    lifted.delete(subject)
    if (placed.has(subject)) return
    remote.delete(subject)
    if (remote.size < maxEntries) remote.set(subject, performance.now() + inMs)
  }

  function addLifted ({ subject, liftedAt }: Lifted): void {
    placed.delete(subject)
    remote.delete(subject)
    if (lifted.has(subject) || lifted.size < maxEntries) lifted.set(subject, liftedAt)
    else dropped++
  }

  return {
    add (event, inMs = 0) {
      if (event.kind === 'lifted') addLifted({ subject: event.subject, liftedAt: clock() })
      else if (event.remote) addRemote(event.ban.subject, inMs)
      else addPlaced(event.ban.subject)
    },
    addChanged: addPlaced,
    takePlaced (most) {
      const taken = firstOf(placed, most)
      for (const subject of taken) placed.delete(subject)
      return taken
    },
    takeRemote (most) {
      const now = performance.now()
      const taken = firstOf(remote, most).filter(([, at]) => at <= now).map(([subject]) => subject)
      for (const subject of taken) remote.delete(subject)
      return taken
    },
    get remoteInMs () {
      const [next] = remote.values()
      return next === undefined ? Infinity : Math.max(0, next - performance.now())
    },
    dropPlaced (subjects) {
      for (const subject of subjects) {
        placed.delete(subject)
        remote.delete(subject)
      }
    },
    takeLifted (most) {
      const taken = firstOf(lifted, most).map(([subject, liftedAt]) => ({ subject, liftedAt }))
      for (const { subject } of taken) lifted.delete(subject)
      return taken
    },
    putBack (lifts) {
      for (const lift of lifts) if (!lifted.has(lift.subject) && !isPlaced(lift.subject)) addLifted(lift)
    },
    hasPlaced: (subject) => placed.has(subject),
    isPlaced,
    get size () { return placed.size + remote.size + lifted.size },
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
