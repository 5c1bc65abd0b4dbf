import type { Clock } from '../clock.js'
import { createBreaker, type Breaker } from './breaker.js'
import type { Classifier } from './classifier-contract.js'
import type { DoormanEndpoint, DoormanMeters } from './contract.js'

export interface Line {
  readonly classifier: Classifier
  readonly breaker: Breaker
}

export interface LineOptions {
  readonly clock: Clock
  readonly meters: Pick<DoormanMeters, 'away'>
  connect (endpoint: DoormanEndpoint): Classifier
  onChange (isAway: boolean): void
  random? (): number
}

export interface Lines {
  lineTo (endpoint: DoormanEndpoint): Line
  /** Never rejects. */
  close (): Promise<void>
}

/** The line to the endpoint in use. Another one ends it: what is under way on it ends by itself. */
export function createLines ({ connect, clock, random = Math.random, meters, onChange }: LineOptions): Lines {
  let line: Line & { readonly to: string } | undefined
  const lineTo = (endpoint: DoormanEndpoint): Line => {
    const to = JSON.stringify(endpoint)
    if (line?.to === to) return line
    line?.classifier.close().catch(() => {})
    meters.away(false)
    const breaker = createBreaker({
      clock,
      random,
      onChange: (isAway) => {
        meters.away(isAway)
        onChange(isAway)
      },
    })
    line = { to, classifier: connect(endpoint), breaker }
    return line
  }
  return { lineTo, close: async () => { await line?.classifier.close() } }
}
