/** Work in steps, each `yield` the end of one, so that others can have their turns in between. */
export type Steps<T> = Generator<undefined, T>

/** Takes all steps at once. */
export function toEnd<T> (steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}
