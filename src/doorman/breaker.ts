import type { Clock } from '../clock.js'

const FAILURES = 5
const FIRST_REST_MS = 1_000
const LONGEST_REST_MS = 60_000
const SHARE_AT_RANDOM = 0.3

/** Leaves a classifier alone that fails again and again, and lets one question at a time find out whether it is back. */
export interface Breaker {
  /** False: do not ask. True while it rests at most for one, whose `succeeded`, `failed` or `dropped` must follow. */
  admits (): boolean
  succeeded (): void
  failed (): void
  /** The question came to nothing for reasons that say nothing of the classifier. */
  dropped (): void
  readonly isAway: boolean
}

export interface BreakerOptions {
  readonly clock: Clock
  /** From 0 to 1, so that several instances do not come back at one instant. */
  random (): number
  /** Told once when it goes and once when it is back. */
  onChange (isAway: boolean): void
}

export function createBreaker ({ clock, random, onChange }: BreakerOptions): Breaker {
  let failures = 0
  let isAway = false
  let isTrying = false
  let restMs = FIRST_REST_MS
  let restsUntil = 0

  function rest (): void {
    restsUntil = clock() + restMs * (1 + random() * SHARE_AT_RANDOM)
    restMs = Math.min(restMs * 2, LONGEST_REST_MS)
  }

  return {
    get isAway () { return isAway },
    admits () {
      if (!isAway) return true
      if (isTrying || clock() < restsUntil) return false
      isTrying = true
      return true
    },
    succeeded () {
      isTrying = false
      failures = 0
      restMs = FIRST_REST_MS
      if (!isAway) return
      isAway = false
      onChange(false)
    },
    failed () {
      const wasTried = isTrying
      isTrying = false
      if (isAway) {
        if (wasTried) rest()
        return
      }
      if (++failures < FAILURES) return
      isAway = true
      rest()
      onChange(true)
    },
    dropped () { isTrying = false },
  }
}
