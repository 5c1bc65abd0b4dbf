import type { Log } from '../../log.js'
import type { HealthState } from '../../telemetry/contract.js'
import { faultOf, isForbidden } from './faults.js'

type State = 'unknown' | 'ok' | 'away' | 'forbidden'

/** How we stand with the server; tells the operator of every change, and only of changes. */
export interface Contact {
  made (): void
  lost (error: unknown): void
  readonly isMade: boolean
  /** @param waiting documents that are still to be written. */
  health (waiting: number): HealthState
}

const REASONS = {
  unknown: 'MongoDB was not reached yet',
  away: 'MongoDB is away',
  forbidden: 'the MongoDB user may not read and write the collection logs',
} as const

export function createContact (log: Log): Contact {
  let state: State = 'unknown'
  return {
    made () {
      if (state === 'away' || state === 'forbidden') log.info({}, 'MongoDB takes ban documents again')
      state = 'ok'
    },
    lost (error) {
      const next = isForbidden(error) ? 'forbidden' : 'away'
      if (state === next) return
      state = next
      log.warn(faultOf(error), next === 'away'
        ? 'MongoDB is away: bans hold, their documents are written when it is back'
        : 'the MongoDB user may not read and write the collection logs: bans hold, but are not listed there')
    },
    get isMade () { return state === 'ok' },
    health (waiting) {
      if (state === 'ok') return { status: 'ok' }
      return { status: 'degraded', reason: `${REASONS[state]}: ${waiting} ban documents wait` }
    },
  }
}
