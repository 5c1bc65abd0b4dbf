import type { Clock } from '../../clock.js'

/** What goes on and on is told to the operator once a minute. */
const EVERY_MS = 60_000

/** Says something, with how often it happened since it was said last, but not more than once a minute. */
export function createRarely (say: (count: number, error: unknown) => void, clock: Clock): (error?: unknown) => void {
  let count = 0
  let saidAt = -Infinity
  return (error) => {
    count++
    const now = clock()
    // A clock that was set back must not silence it.
    if (now >= saidAt && now - saidAt < EVERY_MS) return
    say(count, error)
    count = 0
    saidAt = now
  }
}

/** Without the rest of the error: a client's may hold the whole command, with its keys and arguments. */
export function messageOf (error: unknown): string | undefined {
  return error instanceof Error ? error.message : undefined
}
