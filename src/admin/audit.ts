import type { Clock } from '../clock.js'
import type { Log } from '../log.js'

/** A change that somebody made: who, what, and what belongs to it. */
export interface AuditRecord {
  readonly who: string
  /** `ban.add`, `ban.lift`, … */
  readonly what: string
  readonly [detail: string]: unknown
}

export type Audit = (record: AuditRecord) => void

/** Writes each change into the log, with its instant, under the message `audit`. */
export function createAudit (log: Log, clock: Clock): Audit {
  return (record) => log.info({ audit: true, at: new Date(clock()).toISOString(), ...record }, 'audit')
}
