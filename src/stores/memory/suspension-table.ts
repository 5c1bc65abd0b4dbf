import { LRUCache } from 'lru-cache'
import type { LocalSuspensions, Suspension, SuspensionRecord } from '../../suspensions/contract.js'
import { blankRecord, inForce, withMessage, withoutSuspension, withSuspension } from '../../suspensions/ladder.js'

/** Records kept at most, of each kind; the kind's oldest goes first. */
const MAX_RECORDS = 100_000
/** Suspensions known by their ids. Whoever asks again does so within seconds. */
const MAX_REMEMBERED = 10_000

export interface SuspensionTable extends LocalSuspensions {
  /** Takes a record over as it is, from a file. */
  put (record: SuspensionRecord): void
  /** Whether a subject is or was suspended, as far as that still counts; false: there is a mere total, or nothing. */
  isOffender (subject: string): boolean
  /** Of those who are or were suspended: a snapshot, the oldest first; what is past retention is dropped on the way. */
  offenders (now: number): SuspensionRecord[]
  /** The same of all others, of whom there are only totals. */
  totals (now: number): SuspensionRecord[]
  readonly size: number
  /** Records given up since the start because there were too many. */
  readonly evicted: number
}

export interface SuspensionTableOptions {
  /** Records untouched for so long, and so long past their suspension, are dropped. */
  readonly retentionMs: number
  readonly maxRecords?: number
}

/**
 * Suspensions in process. Records are never changed, but replaced. Those of offenders and mere totals are bounded
 * apart, so that a flood of newcomers does not free anybody.
 */
export function createSuspensionTable (options: SuspensionTableOptions): SuspensionTable {
  const { retentionMs, maxRecords = MAX_RECORDS } = options
  const offenders = new Map<string, SuspensionRecord>()
  const others = new Map<string, SuspensionRecord>()
  const answered = new LRUCache<string, Suspension>({ max: MAX_REMEMBERED })
  let evicted = 0

  function get (subject: string): SuspensionRecord | undefined {
    return offenders.get(subject) ?? others.get(subject)
  }

  function forget (subject: string): void {
    offenders.delete(subject)
    others.delete(subject)
  }

  /** Behind all others: the first of a map is the one that was quiet longest. */
  function put (record: SuspensionRecord): void {
    forget(record.subject)
    const kind = record.level > 0 || record.latest !== undefined ? offenders : others
    kind.set(record.subject, record)
    if (kind.size <= maxRecords) return
    kind.delete(kind.keys().next().value as string)
    evicted++
  }

  const isPast = ({ latest, contentUntil, lastMessageAt }: SuspensionRecord, now: number): boolean =>
    Math.max(latest?.until ?? 0, contentUntil, lastMessageAt) < now - retentionMs

  function kept (kind: Map<string, SuspensionRecord>, now: number): SuspensionRecord[] {
    for (const record of kind.values()) if (isPast(record, now)) kind.delete(record.subject)
    return [...kind.values()]
  }

  return {
    find (subject, now) {
      const record = offenders.get(subject)
      return record === undefined ? undefined : inForce(record, now)
    },
    suspend (request) {
      const known = answered.get(request.id)
      if (known !== undefined) return known
      const record = withSuspension(get(request.subject) ?? blankRecord(request.subject), request)
      put(record)
      const suspension = record.latest as Suspension
      answered.set(request.id, suspension)
      return suspension
    },
    note (message) {
      put(withMessage(get(message.subject) ?? blankRecord(message.subject), message))
    },
    get,
    lift (subject, now) {
      const record = offenders.get(subject)
      if (record === undefined || inForce(record, now) === undefined) return false
      put(withoutSuspension(record, now))
      return true
    },
    forget,
    adopt (latest) {
      const { subject, reason, until } = latest
      const record = get(subject) ?? blankRecord(subject)
      const contentUntil = reason === 'content' ? until : record.contentUntil
      put({ ...record, latest, contentUntil })
    },
    put,
    isOffender: (subject) => offenders.has(subject),
    offenders: (now) => kept(offenders, now),
    totals: (now) => kept(others, now),
    get size () { return offenders.size + others.size },
    get evicted () { return evicted },
  }
}
