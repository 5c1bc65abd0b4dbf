/** What the operator learns of an absence: log, numbers, readiness. */
import type { Log } from '../../log.js'
import type { HealthState, Meter } from '../../telemetry/contract.js'
import type { Breaker } from './breaker.js'

/** Something that waits until the shared store is there. */
interface Queue {
  readonly length: number
  readonly dropped: number
}

/** A connection that is only being made is no news. */
const FIRST_CONTACT_MS = 1_000

/** One line each way. */
export function tellOfChanges (breaker: Pick<Breaker, 'absence' | 'onChange'>, log: Log): void {
  let isTold = false
  const tellOfAbsence = (reason: string): void => {
    isTold = true
    log.warn({ reason }, 'The shared store is away: each rule decides without it as its onFailure says')
  }
  setTimeout(() => {
    if (!isTold && breaker.absence !== undefined) tellOfAbsence(breaker.absence.reason)
  }, FIRST_CONTACT_MS).unref()
  breaker.onChange(({ isOpen, reason, awayMs }) => {
    if (isOpen) return tellOfAbsence(reason)
    if (isTold) log.info({ awayMs }, 'The shared store is back')
    isTold = false
  })
}

export function metersOf (
  breaker: Breaker, { violations, releases, suspensions }: Readonly<Record<'violations' | 'releases' | 'suspensions', Queue>>
): readonly Meter[] {
  return [
    {
      kind: 'gauge',
      name: 'portcullis_store_away',
      help: '1 while the shared store is away and rules decide without it',
      read: () => breaker.isOpen ? 1 : 0,
      across: 'max',
    },
    {
      kind: 'gauge',
      name: 'portcullis_store_violations_waiting',
      help: 'Violations that the shared store must still be told of',
      read: () => violations.length,
    },
    {
      kind: 'gauge',
      name: 'portcullis_store_releases_waiting',
      help: 'Releases of slots that the shared store must still be told of',
      read: () => releases.length,
    },
    {
      kind: 'gauge',
      name: 'portcullis_store_suspensions_waiting',
      help: 'Suspensions that the shared store must still be told of',
      read: () => suspensions.length,
    },
    {
      kind: 'counter',
      name: 'portcullis_store_told_never_total',
      help: 'Violations, releases and suspensions that the shared store was never told of, since the start',
      read: () => violations.dropped + releases.dropped + suspensions.dropped,
    },
  ]
}

export function healthOf ({ absence }: Breaker): HealthState {
  if (absence === undefined) return { status: 'ok' }
  const seconds = Math.round(absence.awayMs / 1000)
  return { status: 'degraded', reason: `the shared store has been away for ${seconds} s: ${absence.reason}` }
}
