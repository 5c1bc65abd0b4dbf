import type { Clock } from '../clock.js'
import type { Exchange } from '../exchange.js'
import { violationSubject } from '../identity/contract.js'
import type { Log } from '../log.js'
import { isScored, type Verdict } from '../verdict/verdict.js'

/** An attack must not fill the disk with its own refusals. */
const LINES_PER_SECOND = 50

/** Says why requests were refused, or would have been, without letting an attacker write the log. */
export interface RefusalLog {
  refused (exchange: Exchange, verdict: Verdict): void
  observed (exchange: Exchange, verdict: Verdict): void
  /** A content check that only flags had something against the message. */
  flagged (exchange: Exchange, rule: { readonly name: string }): void
}

type Told = Verdict | { readonly kind: 'flag', readonly rule: string }

export function createRefusalLog (log: Log, clock: Clock): RefusalLog {
  let second = 0
  let lines = 0
  let left = 0
  const tell = (exchange: Exchange, verdict: Told, message: string) => {
    const now = Math.floor(clock() / 1000)
    if (now !== second) {
      if (left > 0) log.info({ lines: left }, 'more refusals were not logged one by one')
      second = now
      lines = left = 0
    }
    if (lines++ < LINES_PER_SECOND) log.info(detailsOf(exchange, verdict), message)
    else left++
  }
  return {
    refused: (exchange, verdict) => tell(exchange, verdict, 'refused'),
    observed: (exchange, verdict) => tell(exchange, verdict, 'would have been refused'),
    flagged: (exchange, { name: rule }) => tell(exchange, { kind: 'flag', rule }, 'flagged'),
  }
}

/** Never with what was said. */
function detailsOf (exchange: Exchange, verdict: Told) {
  return {
    requestId: exchange.id,
    kind: verdict.kind,
    rule: verdict.rule,
    route: exchange.plan.label,
    method: exchange.method,
    subject: verdict.kind === 'ban' ? verdict.subject : violationSubject(exchange.identity),
    ...(verdict.kind === 'suspension' ? { reason: verdict.reason, until: new Date(verdict.until).toISOString(), isNew: verdict.isNew } : {}),
    ...(verdict.kind !== 'flag' && isScored(verdict) && verdict.booking !== undefined
      ? { score: verdict.booking.after, ...(verdict.booking.ban === undefined ? {} : { ban: true }) }
      : {}),
  }
}
