/** So many at once; so many more wait in line; whoever comes then is sent away. */
export interface Turnstile {
  /**
   * Waits for a place. Answers how to leave, to be called once, or why there is none: the line is full, or whoever
   * waited was called away.
   */
  enter (places: number, signal: AbortSignal): Promise<(() => void) | 'busy' | 'aborted'>
  readonly waiting: number
}

interface Waiting { readonly go: () => void }

export function createTurnstile (mostWaiting: number): Turnstile {
  let inside = 0
  const line = new Set<Waiting>()
  const leave = () => {
    const [next] = line
    if (next === undefined) inside--
    else next.go()
  }
  return {
    get waiting () { return line.size },
    async enter (places, signal) {
      if (signal.aborted) return 'aborted'
      if (inside < places) {
        inside++
        return leave
      }
      if (line.size >= mostWaiting) return 'busy'
      return await new Promise((resolve) => {
        const giveUp = () => {
          line.delete(waiting)
          resolve('aborted')
        }
        const waiting: Waiting = {
          go: () => {
            line.delete(waiting)
            signal.removeEventListener('abort', giveUp)
            resolve(leave)
          },
        }
        line.add(waiting)
        signal.addEventListener('abort', giveUp, { once: true })
      })
    },
  }
}
