/** The answer did not come in time. It may still come, and what was asked for may have been done. */
export class TooLateError extends Error {
  constructor () {
    super('The store did not answer in time')
    this.name = 'TooLateError'
  }
}

/** One for all: a stack would tell nothing and cost each caller. */
export const TOO_LATE = new TooLateError()

/**
 * Calls back in so many milliseconds, unless `isOver` by then. An answer that has arrived in the meantime is heard
 * first: when this process itself was busy past the deadline, the store is not to blame.
 */
export function startDeadline (ms: number, onLate: () => void): NodeJS.Timeout {
  return setTimeout(setImmediate, ms, onLate)
}

/** Settles as the call does, or rejects with `TooLateError`. What comes of it afterwards is nobody's. */
export function within<T> (ms: number, call: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = startDeadline(ms, () => reject(TOO_LATE))
    const finish = (): void => clearTimeout(timer)
    new Promise<T>((resolve) => resolve(call())).finally(finish).then(resolve, reject)
  })
}
