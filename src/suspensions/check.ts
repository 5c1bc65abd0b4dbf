/** Is this subject silenced on chat routes? And the words in which it is told so. */
import { chain, rescue, runAside } from '../chain.js'
import type { Clock } from '../clock.js'
import type { Check, Exchange } from '../exchange.js'
import { violationSubject } from '../identity/contract.js'
import type { SuspensionVerdict } from '../verdict/verdict.js'
import type { NotedMessage, SuspendRequest, Suspension, SuspensionReason, SuspensionStore } from './contract.js'
import { minutesLeft } from './ladder.js'

/** Of a suspension that began with an earlier message: no rule of the route decides. */
const RULE = 'suspension'
/** What was said is forbidden; too much of it may be said later. */
const STATUS: Readonly<Record<SuspensionReason, number>> = { content: 403, rate: 429 }

export interface SilenceOptions {
  readonly store: SuspensionStore
  readonly clock: Clock
  /** An id for an infraction, unique over all instances. */
  newId (): string
  /** Told what the store failed to do. */
  onStoreError (error: Error): void
}

/** A suspension to be given, without what is known here. */
export type Infraction = DistributiveOmit<SuspendRequest, 'id' | 'subject' | 'now'> & {
  /** The check or limiter that has something against the message. */
  readonly rule: string
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** What the checks of a chat route ask about suspensions. */
export interface Silence {
  /** Whom a suspension of this exchange silences; undefined: nobody, its subject is exempt. */
  subjectOf (exchange: Exchange): string | undefined
  /** Refuses who is suspended already. Where the store fails, the request goes on. Never rejects. */
  readonly check: Check
  /** The refusal of who is suspended already. */
  verdictOf (suspension: Suspension): SuspensionVerdict
  /**
   * Suspends; undefined where the subject is exempt or the store failed: whoever is refused is refused all the same.
   * Never rejects.
   */
  suspend (
    exchange: Exchange, infraction: Infraction
  ): SuspensionVerdict | undefined | Promise<SuspensionVerdict | undefined>
  /** Says that a message came which suspends nobody; nobody waits for it. */
  note (exchange: Exchange, message: Pick<NotedMessage, 'refused' | 'reset'>): void
}

export function createSilence ({ store, clock, newId, onStoreError }: SilenceOptions): Silence {
  const lost = (error: Error): undefined => { onStoreError(error) }
  const subjectOf: Silence['subjectOf'] = ({ exempt, identity }) => exempt ? undefined : violationSubject(identity)
  const verdictOf: Silence['verdictOf'] = (suspension) => verdict(suspension, { rule: RULE, isNew: false, now: clock() })
  return {
    subjectOf,
    verdictOf,
    check (exchange) {
      const subject = subjectOf(exchange)
      if (subject === undefined) return undefined
      return chain(rescue(() => store.find(subject, clock()), lost), (found) => found && verdictOf(found))
    },
    suspend (exchange, { rule, ...infraction }) {
      const subject = subjectOf(exchange)
      if (subject === undefined) return undefined
      const now = clock()
      const given = rescue(() => store.suspend({ ...infraction, id: newId(), subject, now }), lost)
      return chain(given, (suspension) => suspension && verdict(suspension, { rule, isNew: true, now }))
    },
    note (exchange, message) {
      const subject = subjectOf(exchange)
      if (subject !== undefined) runAside(() => store.note({ ...message, subject, now: clock() }), onStoreError)
    },
  }
}

interface Telling {
  readonly rule: string
  readonly isNew: boolean
  /** `{minutes}` counts from here: of a new one that is its whole duration. */
  readonly now: number
}

function verdict ({ subject, reason, until, message }: Suspension, { rule, isNew, now }: Telling): SuspensionVerdict {
  return {
    kind: 'suspension',
    rule,
    status: STATUS[reason],
    message: message.replaceAll('{minutes}', String(Math.max(1, minutesLeft(until, now)))),
    retryAfterMs: Math.max(0, until - now),
    reason,
    subject,
    until,
    isNew,
  }
}
