/** One piece of work after the other, never two at once. */
export interface Rounds {
  /** The next round begins at the latest in that time; after the one under way. */
  wake (inMs: number): void
  /** Begins no further round. Resolves when the one under way has ended. */
  stop (): Promise<void>
}

/** @param round answers after how many milliseconds the next must come; it never rejects. */
export function createRounds (round: () => Promise<number>): Rounds {
  let dueAt = Infinity
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isStopped = false

  function wake (inMs: number): void {
    dueAt = Math.min(dueAt, performance.now() + inMs)
    arm()
  }

  function arm (): void {
    clearTimeout(timer)
    if (isStopped || running !== undefined) return
    timer = setTimeout(begin, Math.max(0, dueAt - performance.now())).unref()
  }

  function begin (): void {
    dueAt = Infinity
    running = round().then((nextMs) => {
      running = undefined
      wake(nextMs)
    })
  }

  return {
    wake,
    async stop () {
      isStopped = true
      clearTimeout(timer)
      await running
    },
  }
}
