/** For stores that answer at once when they are in process and with a promise when they are not. */

/** Goes on with a value now if it is there, later if it is promised. */
export function chain<T, R> (value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Asks, and answers `instead` of whatever goes wrong, at once or later. */
export function rescue<T, R> (ask: () => T | Promise<T>, instead: (error: Error) => R): T | R | Promise<T | R> {
  const fail = (error: unknown): R => instead(errorOf(error))
  try {
    const answer = ask()
    return answer instanceof Promise ? answer.catch(fail) : answer
  } catch (error) {
    return fail(error)
  }
}

/** Runs a side task that nobody waits for: whatever goes wrong in it is told to `onError` and stops there. */
export function runAside (task: () => unknown, onError: ((error: Error) => void) | undefined): void {
  const fail = (error: unknown): void => { onError?.(errorOf(error)) }
  try {
    const outcome = task()
    if (outcome instanceof Promise) outcome.catch(fail)
  } catch (error) {
    fail(error)
  }
}

function errorOf (error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
