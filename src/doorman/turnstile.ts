/** One sender of many must not keep the others out: so much of the line is his at most. */
const SHARE_OF_ONE = 0.25

export interface Entrant {
  readonly signal: AbortSignal
  /** Whose place it is; undefined: nobody's in particular. */
  readonly subject: string | undefined
}

/** So many at once; so many more wait in line; whoever comes then is sent away. Those who have fewest inside are next. */
export interface Turnstile {
  /**
   * Waits for a place. Answers how to leave, to be called once, or why there is none: the line, or its part for one
   * subject, is full, or whoever waited was called away.
   */
  enter (places: number, entrant: Entrant): Promise<(() => void) | 'busy' | 'aborted'>
  readonly waiting: number
}

interface Waiting {
  readonly subject: string | undefined
  readonly go: () => void
}

export function createTurnstile (mostWaiting: number): Turnstile {
  const mostOfOne = Math.max(1, Math.floor(mostWaiting * SHARE_OF_ONE))
  const inside = createTally()
  const inLine = createTally()
  const line = new Set<Waiting>()

  function enterNow (subject: string | undefined): () => void {
    inside.add(subject, 1)
    return () => {
      inside.add(subject, -1)
      nextOf(line, inside)?.go()
    }
  }

  return {
    get waiting () { return line.size },
    async enter (places, { signal, subject }) {
      if (signal.aborted) return 'aborted'
      if (inside.total < places) return enterNow(subject)
      if (line.size >= mostWaiting || (subject !== undefined && inLine.of(subject) >= mostOfOne)) return 'busy'
      return await new Promise((resolve) => {
        const leaveLine = () => {
          line.delete(waiting)
          inLine.add(subject, -1)
        }
        const giveUp = () => {
          leaveLine()
          resolve('aborted')
        }
        const waiting: Waiting = {
          subject,
          go: () => {
            leaveLine()
            signal.removeEventListener('abort', giveUp)
            resolve(enterNow(subject))
          },
        }
        line.add(waiting)
        inLine.add(subject, 1)
        signal.addEventListener('abort', giveUp, { once: true })
      })
    },
  }
}

/** Who came first of those whose subjects have the fewest inside. */
function nextOf (line: ReadonlySet<Waiting>, inside: Tally): Waiting | undefined {
  let next: Waiting | undefined
  for (const one of line) {
    if (next === undefined || inside.of(one.subject) < inside.of(next.subject)) next = one
  }
  return next
}

interface Tally {
  readonly total: number
  of (subject: string | undefined): number
  add (subject: string | undefined, count: 1 | -1): void
}

function createTally (): Tally {
  const counts = new Map<string | undefined, number>()
  let total = 0
  const of = (subject: string | undefined): number => counts.get(subject) ?? 0
  return {
    get total () { return total },
    of,
    add (subject, count) {
      total += count
      const sum = of(subject) + count
      if (sum === 0) counts.delete(subject)
      else counts.set(subject, sum)
    },
  }
}
