import type { Booking } from '../../verdict/verdict.js'
import type { BookRequest, Breach, ScoreStore } from '../../violations/contract.js'
import { Outbox, type OutboxOptions } from './outbox.js'

/** A violation that nobody's answer waited for has crossed a multiple of the interval. */
export interface LateCrossing {
  readonly breach: Breach
  /** What the shared store made of it. */
  readonly booking: Booking
  /** When it happened, epoch milliseconds by this process's clock. */
  readonly happenedAt: number
}

/**
 * Places the ban, unless its subject is banned already, for instance by what was booked in process. May be called twice
 * for one violation.
 */
export type OnLateCrossing = (crossing: LateCrossing) => void | Promise<void>

/**
 * When the subject's ban was last lifted, epoch milliseconds; 0: not that anybody knows. With the ban went the score, so
 * what happened until then brings no points any more, whichever instance it waits in.
 */
export type LiftedAt = (subject: string) => number

export interface ViolationOutboxOptions extends Omit<OutboxOptions<never>, 'name' | 'send'> {
  readonly remote: ScoreStore
  onLateCrossing: OnLateCrossing
  /** See `LiftedAt`. */
  readonly liftedAt: LiftedAt
}

/** Violations, and resets of scores, that the shared store must still be told of. */
export interface ViolationOutbox {
  /** The store may have booked it already: it knows it by its id. */
  keep (request: BookRequest): void
  keepReset (subject: string, type: string | undefined): void
  /** What waits of this subject (and type) brings no ban any more. True: there is something. */
  forgive (subject: string, type: string | undefined): boolean
  /** Tells of a booking that came too late for its request. */
  noteLate (breach: Breach, booking: Booking, happenedAt: number): void
  readonly length: number
  readonly dropped: number
  close (withinMs: number): Promise<number>
}

type Waiting =
  | { readonly kind: 'violation', readonly request: BookRequest, isForgiven: boolean }
  | { readonly kind: 'reset', readonly subject: string, readonly type: string | undefined }

export function createViolationOutbox (options: ViolationOutboxOptions): ViolationOutbox {
  const { remote, onLateCrossing, liftedAt, clock, log } = options
  const outbox = new Outbox<Waiting>({ ...options, name: 'violations', send })

  async function send (waiting: Waiting): Promise<void> {
    if (waiting.kind === 'reset') return await remote.reset(waiting.subject, waiting.type)
    const { request } = waiting
    const { now } = request
    const ageMs = Math.max(0, clock() - now)
    const breach = liftedAt(request.breach.subject) < now ? request.breach : { ...request.breach, score: 0 }
    const booking = await remote.book({ ...request, breach, again: true, ageMs })
    const isOutlived = breach.ttlMs !== null && ageMs >= breach.ttlMs
    if (!waiting.isForgiven && !isOutlived) noteLate(breach, booking, now)
  }

  function noteLate (breach: Breach, booking: Booking, happenedAt: number): void {
    if (!booking.crossed || breach.shadow || liftedAt(breach.subject) >= happenedAt) return
    const tell = async (): Promise<void> => await onLateCrossing({ breach, booking, happenedAt })
    tell().catch((error: unknown) => {
      log.error({ err: error, subject: breach.subject }, 'A ban could not be placed')
    })
  }

  return {
    keep: (request) => outbox.put({ kind: 'violation', request, isForgiven: false }),
    keepReset: (subject, type) => outbox.put({ kind: 'reset', subject, type }),
    forgive (subject, type) {
      let isAny = false
      for (const waiting of outbox.waiting()) {
        if (waiting.kind !== 'violation' || waiting.request.breach.subject !== subject) continue
        if (type !== undefined && waiting.request.breach.type !== type) continue
        waiting.isForgiven = true
        isAny = true
      }
      return isAny
    },
    noteLate,
    get length () { return outbox.length },
    get dropped () { return outbox.dropped },
    close: (withinMs) => outbox.close(withinMs),
  }
}
