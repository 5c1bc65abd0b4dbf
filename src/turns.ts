/** How long the steps of one turn may take together before everything else has its turn. */
const TURN_MS = 4

export type Step = () => void

/** Work that comes in small steps from many places: each gets its step in order. */
class Turns {
  #waiting: Step[] = []
  #scheduled = false

  ask (step: Step): void {
    this.#waiting.push(step)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#run)
  }

  /** Does a piece of work when its turn comes. Rejects with what it throws. */
  run<T> (work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.ask(() => {
        try {
          resolve(work())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** Takes steps one by one to their end; each `yield` ends one. Rejects with what they throw. */
  finish<T> (steps: Iterator<unknown, T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          const { done, value } = steps.next()
          if (done === true) resolve(value)
          else this.ask(step)
        } catch (error) {
          reject(error)
        }
      }
      this.ask(step)
    })
  }

  readonly #run = (): void => {
    const end = performance.now() + TURN_MS
    let done = 0
    // Steps that ask for another are behind the others in the same list.
    while (done < this.#waiting.length && performance.now() < end) (this.#waiting[done++] as Step)()
    this.#waiting = this.#waiting.slice(done)
    this.#scheduled = this.#waiting.length > 0
    if (this.#scheduled) setImmediate(this.#run)
  }
}

/**
 * Of the whole process: however many long bodies, prompts and WebSockets come together, the event loop is never held
 * longer than a turn and one step.
 */
export const turns = new Turns()
