import { setImmediate as nextTurn } from 'node:timers/promises'

/** So long nobody else is served; a request's deadline is some tens of milliseconds. */
const WORK_MS = 5

/** Lets requests be served amid long work. To be awaited where `isDue`, between two pieces of the work. */
export interface Breath {
  readonly isDue: boolean
  take (): Promise<void>
}

export function createBreath (): Breath {
  let since = performance.now()
  return {
    get isDue () { return performance.now() - since >= WORK_MS },
    take: async () => {
      await nextTurn()
      since = performance.now()
    },
  }
}
