/**
 * How limiters count, from the definitions: buckets remember every place that was taken. Slow: what is needed of the
 * future is found by looking there.
 */
import type { Limiter } from '../../src/limits/contract.js'
import { EXACT_SLIDING_MAX } from '../../src/limits/window.js'
import type { Standing } from './deeds.js'

/** Takes and gives as it is told; whether there is room is for others to ask. */
interface NaiveBucket {
  /** Places that could be taken at that instant, if nothing else happened until then. */
  room (at: number): number
  take (now: number, cost: number): void
  /** The places taken last come back. */
  giveBack (now: number, cost: number): void
  /** Where it is not when all room is back. */
  resetAt? (now: number): number | undefined
}

export interface NaiveBuckets {
  standing (asked: Asked): Omit<Standing, 'charged'>
  take (asked: Asked): void
  giveBack (asked: Asked): void
}

export interface Asked {
  readonly limiter: Limiter
  readonly bucket: string
  readonly cost: number
  readonly now: number
}

export function createNaiveBuckets (): NaiveBuckets {
  const buckets = new Map<string, NaiveBucket>()

  function bucketOf ({ limiter, bucket }: Asked): NaiveBucket {
    const name = JSON.stringify([limiter.name, bucket])
    const found = buckets.get(name) ?? naiveBucket(limiter)
    buckets.set(name, found)
    return found
  }

  return {
    standing (asked) {
      const { limiter, cost, now } = asked
      const { max, windowMs, burst, algorithm } = limiter
      if (max === 0) return { remaining: 0, resetAt: now + windowMs, retryAt: now + windowMs }
      const whole = algorithm === 'gcra' ? burst : max
      const bucket = bucketOf(asked)
      const firstWith = (places: number) => firstInstant(now, (at) => bucket.room(at) >= places)
      return {
        remaining: bucket.room(now),
        resetAt: bucket.resetAt?.(now) ?? firstWith(whole),
        // Whoever asks for more than there ever is hears when the bucket is whole.
        retryAt: firstWith(Math.min(cost, whole)),
      }
    },
    take: (asked) => { if (asked.limiter.max > 0) bucketOf(asked).take(asked.now, asked.cost) },
    giveBack: (asked) => { if (asked.limiter.max > 0) bucketOf(asked).giveBack(asked.now, asked.cost) },
  }
}

function naiveBucket (limiter: Limiter): NaiveBucket {
  switch (limiter.algorithm) {
    case 'fixed-window': return fixedWindow(limiter)
    case 'gcra': return gcra(limiter)
    case 'sliding-window': return limiter.max > EXACT_SLIDING_MAX ? weightedWindow(limiter) : slidingWindow(limiter)
  }
}

/** A window starts at its first hit, and ends when it ends. */
function fixedWindow ({ max, windowMs }: Limiter): NaiveBucket {
  let from = -Infinity
  let taken = 0
  const isOpen = (at: number) => at < from + windowMs
  return {
    room: (at) => isOpen(at) ? Math.max(0, max - taken) : max,
    take (now, cost) {
      if (!isOpen(now)) [from, taken] = [now, 0]
      taken += cost
    },
    giveBack: (now, cost) => { if (isOpen(now)) taken = Math.max(0, taken - cost) },
    resetAt: (now) => isOpen(now) ? from + windowMs : undefined,
  }
}

/** In no stretch of `windowMs` do more than `max` pass. */
function slidingWindow ({ max, windowMs }: Limiter): NaiveBucket {
  const places = takenPlaces()
  return {
    room: (at) => Math.max(0, max - places.between(at - windowMs + 1, at + 1)),
    take: places.take,
    giveBack: places.giveBack,
  }
}

/** The places of the window before count by the share of it that is not yet past. The grid begins with a first hit. */
function weightedWindow ({ max, windowMs }: Limiter): NaiveBucket {
  const places = takenPlaces()
  let from = -Infinity

  function gridAt (at: number): number {
    if (at >= from + 2 * windowMs) return at
    const grid = at >= from + windowMs ? from + windowMs : from
    return places.between(grid - windowMs, at + 1) > 0 ? grid : at
  }

  return {
    room (at) {
      const grid = gridAt(at)
      const weighted = places.between(grid - windowMs, grid) * (windowMs - (at - grid))
      return Math.max(0, Math.floor(((max - places.between(grid, at + 1)) * windowMs - weighted) / windowMs))
    },
    take (now, cost) {
      from = gridAt(now)
      places.take(now, cost)
    },
    giveBack: places.giveBack,
  }
}

/** Every place ever taken, with its instant. */
function takenPlaces () {
  const hits: { readonly at: number, cost: number }[] = []
  return {
    take: (now: number, cost: number): void => { hits.push({ at: now, cost }) },
    giveBack (_now: number, cost: number): void {
      let owed = cost
      for (const hit of hits.toReversed()) {
        const given = Math.min(owed, hit.cost)
        hit.cost -= given
        owed -= given
      }
    },
    /** Places taken from the one instant until just before the other. */
    between: (from: number, until: number): number =>
      hits.filter(({ at }) => at >= from && at < until).reduce((sum, { cost }) => sum + cost, 0),
  }
}

/** Each place pushes the theoretical arrival on by `windowMs / max`; it may lie ahead by `burst` places. */
function gcra ({ max, windowMs, burst }: Limiter): NaiveBucket {
  // Everything times `max`, so that no fraction arises.
  const scaled = (at: number) => BigInt(at) * BigInt(max)
  const places = (count: number) => BigInt(count) * BigInt(windowMs)
  const later = (one: bigint, other: bigint) => one > other ? one : other
  let arrival = 0n
  return {
    room (at) {
      let room = burst
      while (room > 0 && later(arrival, scaled(at)) + places(room) > scaled(at) + places(burst)) room--
      return room
    },
    take (now, cost) {
      const pushed = later(arrival, scaled(now)) + places(cost)
      const emptiest = scaled(now) + places(burst)
      arrival = pushed < emptiest ? pushed : emptiest
    },
    giveBack: (_now, cost) => { arrival -= places(cost) },
  }
}

/** Room only grows while nothing happens. */
function firstInstant (now: number, holds: (at: number) => boolean): number {
  if (holds(now)) return now
  let step = 1
  while (!holds(now + step)) step *= 2
  let [low, high] = [now, now + step]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (holds(middle)) high = middle
    else low = middle
  }
  return high
}
