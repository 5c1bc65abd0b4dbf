/** Waiting that can be cut short. One at a time. */
export interface Pause {
  /** Resolves after so many milliseconds, or when it is ended. */
  take (ms: number): Promise<void>
  /** Ends the pause that is under way, if there is one. */
  end (): void
}

export function createPause (): Pause {
  let end = (): void => {}
  return {
    take: async (ms) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, ms)
      end = resolve
      await promise
      clearTimeout(timer)
    },
    end: () => end(),
  }
}
